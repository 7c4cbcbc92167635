"use strict";
// A server of this process that is announced, whatever it serves.
const alive = require("./alive.js");
const ending = require("./ending.js");
const { fromText, translated } = require("./errors.js");

/** What is announced of it. */
const ANNOUNCED = {
  port: "port or 0",
  name: "string",
  path: "path",
  id: "string",
  version: "string",
  labels: "labels",
  dataDir: "path",
};

/** Starts a server of the addon: `start` is given a callback. The event loop waits for it, and `object` is kept meanwhile. */
async function started(object, start) {
  let server;
  const [kind, answer] = await alive.once(object, (callback) => {
    server = translated(() => start(callback));
  });
  if (kind === "error") throw fromText(answer);
  return server;
}

class Served {
  #native;
  #state;
  #closing;
  #reference = new alive.Reference(this);

  constructor(native) {
    this.#native = native;
    this.#state = JSON.parse(native.state());
    ending.add(this, () => native.end());
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

module.exports = { ANNOUNCED, Served, started };
