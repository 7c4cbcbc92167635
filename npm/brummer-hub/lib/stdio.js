"use strict";
// A server that speaks only stdio, as an instance that all hubs and clients share.
const alive = require("./alive.js");
const check = require("./check.js");
const ending = require("./ending.js");
const { fromText, invalid, json, translated } = require("./errors.js");
const { native } = require("./native.js");

const ANNOUNCED = {
  port: "port or 0",
  name: "string",
  path: "path",
  id: "string",
  version: "string",
  labels: "labels",
  dataDir: "path",
};
const OPTIONS = {
  ...ANNOUNCED,
  command: "string",
  args: "strings",
  perSession: "boolean",
  idle: "time",
  inventory: "path",
};

class StdioInstance {
  #native;
  #state;
  #closing;
  #reference = new alive.Reference(this);

  /** Use `serveStdio`. */
  constructor(started) {
    this.#native = started;
    this.#state = JSON.parse(started.state());
    ending.add(this, () => started.end());
  }

  get id() {
    return this.#state.id;
  }

  get port() {
    return this.#state.port;
  }

  get url() {
    return this.#state.url;
  }

  get token() {
    return this.#state.token;
  }

  get file() {
    return this.closed ? null : JSON.parse(this.#native.state()).file;
  }

  get closed() {
    return this.#closing !== undefined;
  }

  report() {
    const { is_stale: isStale, last_end: lastEnd = null, ...report } = JSON.parse(this.#native.report());
    return { ...report, isStale, lastEnd };
  }

  ref() {
    if (!this.#closing) this.#reference.set(true);
    return this;
  }

  unref() {
    this.#reference.set(false);
    return this;
  }

  close() {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close() {
    await alive.once(this, (callback) => this.#native.close(callback));
    ending.remove(this);
    this.#reference.set(false);
  }

  [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]() {
    return this.close();
  }
}

async function serveStdio(options) {
  const checked = check.options(options, OPTIONS, "serveStdio");
  if (!checked.command) throw invalid("serveStdio: `command` is missing: the program that speaks MCP over stdio");
  const announced = { port: 0, ...check.only(checked, ANNOUNCED) };
  const { command, args, perSession, idle, inventory } = checked;
  const forever = idle === Infinity;
  const text = json({ announced, command, args, perSession, idle: forever ? undefined : idle, forever, inventory }, "the options");
  let started;
  const [kind, answer] = await alive.once({}, (callback) => {
    started = translated(() => native().NativeStdioInstance.start(text, callback));
  });
  if (kind === "error") throw fromText(answer);
  return new StdioInstance(started);
}

module.exports = { StdioInstance, serveStdio };
