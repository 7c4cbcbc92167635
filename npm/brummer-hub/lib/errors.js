"use strict";

/** All codes of errors that the package's functions throw or reject with. */
const CODES = [
  "ERR_BH_CANCELLED",
  "ERR_BH_CLOSED",
  "ERR_BH_INVALID_ARGUMENT",
  "ERR_BH_IO",
  "ERR_BH_RPC",
  "ERR_BH_TIMEOUT",
  "ERR_BH_TOOL",
  "ERR_BH_UNSUPPORTED",
];

class HubError extends Error {
  constructor(code, message, details = {}) {
    const { cause, rpcCode, data } = details;
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    if (rpcCode !== undefined) this.rpcCode = rpcCode;
    if (data !== undefined) this.data = data;
  }
}
// On the prototype, so that it is not listed with each error.
Object.defineProperty(HubError.prototype, "name", { value: "HubError", configurable: true, writable: true });

/** An error of arguments is a TypeError as well, as everywhere in Node. */
function invalid(message) {
  const error = new TypeError(message);
  error.code = "ERR_BH_INVALID_ARGUMENT";
  return error;
}

/** The JSON text of a value, for the addon; `what` names it when there is none, as of a cycle or a BigInt. */
function json(value, what) {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    const error = invalid(`${what} cannot be written as JSON: ${cause.message}`);
    error.cause = cause;
    throw error;
  }
}

/** What an aborted signal makes of a call: an AbortError like those of Node. */
function cancelled(signal) {
  const error = new HubError("ERR_BH_CANCELLED", "the operation was aborted", { cause: signal.reason });
  Object.defineProperty(error, "name", { value: "AbortError", configurable: true, writable: true });
  return error;
}

/** Runs what may throw an error of the addon, and makes one of the package of it. */
function translated(run) {
  try {
    return run();
  } catch (error) {
    if (!CODES.includes(error.code)) throw error;
    throw error.code === "ERR_BH_INVALID_ARGUMENT" ? invalid(error.message) : new HubError(error.code, error.message);
  }
}

/** An error that crossed as a text. */
function fromText(text) {
  const { code, message } = JSON.parse(text);
  return code === "ERR_BH_INVALID_ARGUMENT" ? invalid(message) : new HubError(code, message);
}

/** What the other side of a conversation is told of an error, whatever was thrown: always JSON. */
function told(error) {
  const { rpcCode, data } = Object(error);
  const said = { message: "an error that says nothing" };
  try {
    said.message = String(error?.message ?? error);
  } catch {
    // An object that cannot be made a text.
  }
  if (Number.isInteger(rpcCode)) said.code = rpcCode;
  try {
    if (JSON.stringify(data) !== undefined) said.data = data;
  } catch {
    // Data that is no JSON stays here.
  }
  return said;
}

module.exports = { CODES, HubError, cancelled, fromText, invalid, json, told, translated };
