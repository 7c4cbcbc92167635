"use strict";
const { EventEmitter } = require("node:events");
const alive = require("./alive.js");
const check = require("./check.js");
const { HubError, translated } = require("./errors.js");
const { camelCase } = require("./names.js");
const { native } = require("./native.js");
const { Queue } = require("./queue.js");
const { Session } = require("./session.js");

const OPTIONS = {
  dataDir: "path",
  callTimeout: "positive integer",
  connectTimeout: "positive integer",
  initializeTimeout: "positive integer",
  pingInterval: "positive integer",
  giveUpAfter: "positive integer",
  maxMessageBytes: "positive integer",
  maxInstances: "positive integer",
};

/** The addon's hub of each Hub, for those parts of the package that need it. */
const natives = new WeakMap();

class Hub extends EventEmitter {
  #native;
  #watch;
  #queues = new Set();
  #closing;
  #reference = new alive.Reference(this);

  constructor(token, started) {
    super();
    if (token !== natives) throw new TypeError("use `await Hub.start()`");
    this.#native = started;
    natives.set(this, started);
    alive.withListeners(this, () => {
      if (!this.#closing) this.#listen();
    });
  }

  static async start(options) {
    const checked = check.options(options, OPTIONS, "Hub.start");
    const started = translated(() => native().NativeHub.start(JSON.stringify(checked)));
    const hub = new Hub(natives, started);
    await alive.once(hub, (callback) => started.settled(callback));
    return hub;
  }

  get closed() {
    return this.#closing !== undefined;
  }

  instances() {
    return JSON.parse(translated(() => this.#native.instances())).map(camelCase);
  }

  watch(options) {
    const { signal } = check.options(options, { signal: "signal" }, "watch");
    this.#open();
    const queue = new Queue({
      owner: this,
      lagged: (missed) => ({ type: "lagged", missed }),
      stop: (ended) => this.#queues.delete(ended),
      signal,
    });
    if (!signal?.aborted) {
      this.#queues.add(queue);
      this.#listen();
    }
    return queue;
  }

  async session(options) {
    return Session.open(this, this.#open(), options, "session");
  }

  async connect(idOrName, options) {
    return Session.connected(this, this.#open(), idOrName, options);
  }

  /** The addon's hub, unless it is closed. */
  #open() {
    if (this.#closing) throw new HubError("ERR_BH_CLOSED", "the hub is closed");
    return this.#native;
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
    // Sessions see their end by themselves.
    await alive.once(this, (callback) => this.#native.close(callback));
    this.#reference.set(false);
    this.#watch?.stop();
    for (const queue of [...this.#queues]) queue.end();
    this.emit("close");
    this.removeAllListeners();
  }

  [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]() {
    return this.close();
  }

  /** Hears the addon's events, once somebody wants them. */
  #listen() {
    if (this.#watch) return;
    const hear = alive.weakly(this, Hub.#hear);
    this.#watch = translated(() => this.#native.watch(hear));
  }

  static #hear(hub, kind, text) {
    if (kind === "event") hub.#tell(JSON.parse(text));
  }

  #tell(event) {
    if (event.instance) event.instance = camelCase(event.instance);
    for (const queue of this.#queues) queue.push(event);
    this.emit(event.type, event);
    this.emit("event", event);
  }
}

/** The addon's hub, for a transport. */
function nativeOf(hub) {
  const found = natives.get(hub);
  if (!found) throw new TypeError("the first argument must be a Hub");
  return found;
}

module.exports = { Hub, nativeOf };
