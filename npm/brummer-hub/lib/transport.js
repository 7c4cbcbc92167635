"use strict";
// The `Transport` of the official MCP SDK, to a session of an embedded hub.
const { Channel } = require("./channel.js");
const check = require("./check.js");
const { HubError } = require("./errors.js");
const { nativeOf } = require("./hub.js");

const OPTIONS = { tools: "string", nameBudget: "positive integer", autoConnect: "boolean", workingDirectory: "path" };

class HubTransport {
  #hub;
  #native;
  #options;
  #channel;

  onclose;
  onerror;
  onmessage;
  sessionId;

  constructor(hub, options) {
    this.#native = nativeOf(hub);
    this.#hub = hub;
    this.#options = check.options(options, OPTIONS, "HubTransport");
  }

  get hub() {
    return this.#hub;
  }

  async start() {
    if (this.#channel) throw new HubError("ERR_BH_INVALID_ARGUMENT", "the transport was started already; use a new one");
    const [receive, end] = [(message) => this.#receive(message), () => this.onclose?.()];
    this.#channel = new Channel(this.#native, this.#options, this, receive, end);
  }

  #receive(message) {
    try {
      this.onmessage?.(message);
    } catch (error) {
      this.onerror?.(error);
    }
  }

  /** The promise is kept when the session has taken the message: who awaits it does not run ahead of the hub. */
  async send(message) {
    if (!this.#channel) throw new HubError("ERR_BH_CLOSED", "the transport has not been started");
    await new Promise((resolve) => this.#channel.send(message, resolve));
  }

  async close() {
    await this.#channel?.close();
  }
}

module.exports = { HubTransport };
