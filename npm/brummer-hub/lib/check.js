"use strict";
// Arguments and options, checked before they cross: what is wrong is named, and unknown ones are told.
const path = require("node:path");
const { fileURLToPath } = require("node:url");
const { invalid } = require("./errors.js");

const KINDS = {
  string: (value) => typeof value === "string",
  boolean: (value) => typeof value === "boolean",
  function: (value) => typeof value === "function",
  object: (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  port: (value) => Number.isInteger(value) && value >= 1 && value <= 65535,
  "port or 0": (value) => Number.isInteger(value) && value >= 0 && value <= 65535,
  "positive integer": (value) => Number.isSafeInteger(value) && value > 0,
  signal: (value) => value instanceof AbortSignal,
  path: (value) => typeof value === "string" || value instanceof URL,
  labels: (value) => KINDS.object(value) && Object.values(value).every((label) => typeof label === "string"),
  strings: (value) => Array.isArray(value) && value.every((item) => typeof item === "string"),
  time: (value) => value === Infinity || (Number.isSafeInteger(value) && value > 0),
  list: (value) => typeof value === "object" && value !== null,
};

/** Returns the options, without those that are not given, after a look at each: `kinds` names what it has to be. */
function options(given, kinds, of, { rest = false } = {}) {
  if (given === undefined) return {};
  if (!KINDS.object(given)) throw invalid(`${of}: the options must be an object`);
  const checked = {};
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const kind = kinds[name];
    if (kind === undefined && !rest) {
      throw invalid(`${of}: there is no option \`${name}\`; there are ${Object.keys(kinds).join(", ")}`);
    }
    if (kind !== undefined && !KINDS[kind](value)) throw invalid(`${of}: \`${name}\` must be a ${kind}`);
    checked[name] = kind === "path" ? absolute(value) : value;
  }
  return checked;
}

/** Those of the options that have one of these names. */
function only(checked, names) {
  return Object.fromEntries(Object.entries(checked).filter(([name]) => name in names));
}

/** Paths cross as absolute ones: a worker may have another working directory in mind, and the process may change its own. */
function absolute(value) {
  return path.resolve(value instanceof URL ? fileURLToPath(value) : value);
}

/** What is sent as the arguments or params of a request. */
function object(value, name) {
  if (!KINDS.object(value)) throw invalid(`\`${name}\` must be an object`);
  return value;
}

function string(value, name) {
  if (typeof value !== "string" || value === "") throw invalid(`\`${name}\` must be a string that is not empty`);
  return value;
}

module.exports = { object, only, options, string };
