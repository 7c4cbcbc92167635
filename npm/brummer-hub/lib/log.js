"use strict";
// What the library has to say: for the whole process, in every thread that listens.
const check = require("./check.js");
const { invalid, translated } = require("./errors.js");
const { native } = require("./native.js");

/** Those that listen, so that none is collected before it is closed. */
const listening = new Set();

class LogListener {
  #native;

  constructor(listener, level) {
    const tell = (_kind, text) => listener(JSON.parse(text));
    this.#native = translated(() => native().NativeLog.listen(level, tell));
    listening.add(this);
  }

  close() {
    listening.delete(this);
    this.#native.stop();
  }

  [Symbol.dispose ?? Symbol.for("Symbol.dispose")]() {
    this.close();
  }
}

function onLog(listener, options) {
  if (typeof listener !== "function") throw invalid("onLog: `listener` must be a function");
  const { level = "warn" } = check.options(options, { level: "string" }, "onLog");
  return new LogListener(listener, level);
}

module.exports = { LogListener, onLog };
