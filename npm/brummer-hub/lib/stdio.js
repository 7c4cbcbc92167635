"use strict";
// A server that speaks only stdio, as an instance that all hubs and clients share.
const check = require("./check.js");
const { invalid, json } = require("./errors.js");
const { native } = require("./native.js");
const { ANNOUNCED, Served, started } = require("./served.js");

const OPTIONS = {
  ...ANNOUNCED,
  command: "string",
  args: "strings",
  perSession: "boolean",
  idle: "time",
  inventory: "path",
};

class StdioInstance extends Served {
  #native;

  /** Use `serveStdio`. */
  constructor(native) {
    super(native);
    this.#native = native;
  }

  report() {
    const { is_stale: isStale, last_end: lastEnd = null, ...report } = JSON.parse(this.#native.report());
    return { ...report, isStale, lastEnd };
  }
}

async function serveStdio(options) {
  const checked = check.options(options, OPTIONS, "serveStdio");
  if (!checked.command) throw invalid("serveStdio: `command` is missing: the program that speaks MCP over stdio");
  const announced = { port: 0, ...check.only(checked, ANNOUNCED) };
  const { command, args, perSession, idle, inventory } = checked;
  const forever = idle === Infinity;
  const text = json({ announced, command, args, perSession, idle: forever ? undefined : idle, forever, inventory }, "the options");
  return new StdioInstance(await started({}, (callback) => native().NativeStdioInstance.start(text, callback)));
}

module.exports = { StdioInstance, serveStdio };
