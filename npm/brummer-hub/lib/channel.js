"use strict";
// JSON-RPC messages to and from a session of the addon: in order, and with requests counted.
const alive = require("./alive.js");
const { HubError, json, translated } = require("./errors.js");

/**
 * Carries messages. While a request is unanswered, the event loop and the owner are kept alive; the addon has only a weak
 * reference to the channel, so that a session nobody uses is collected, and ends.
 */
class Channel {
  #native;
  #owner;
  #onMessage;
  #onEnd;
  /** Ids of requests that are not answered. */
  #asked = new Set();
  /** Messages that the session has no room for yet, each with what is called when it has taken it. */
  #waiting = [];
  #sending = false;
  #ended = false;
  #closing;

  constructor(nativeHub, options, owner, onMessage, onEnd) {
    this.#owner = owner;
    this.#onMessage = onMessage;
    this.#onEnd = onEnd;
    const receive = alive.weakly(this, Channel.#deliver);
    this.#native = translated(() => nativeHub.session(JSON.stringify(options), receive));
  }

  static #deliver(channel, kind, text) {
    channel.#receive(kind, text);
  }

  get ended() {
    return this.#ended;
  }

  /** Sends one message, and calls `taken` when the session has taken it; throws when the session has ended. */
  send(message, taken) {
    if (this.#ended || this.#closing) throw new HubError("ERR_BH_CLOSED", "the session has ended");
    const text = json(message, "the message");
    if (this.#sending || !translated(() => this.#native.send(text))) {
      this.#waiting.push({ text, taken });
      this.#sendNext();
    } else {
      taken?.();
    }
    if (message.method === undefined) return;
    if (message.id !== undefined) {
      this.#asked.add(message.id);
      alive.work(this.#owner);
    } else if (message.method === "notifications/cancelled") {
      // It may never be answered now.
      this.#answered(message.params?.requestId);
    }
  }

  #sendNext() {
    if (this.#sending || this.#waiting.length === 0) return;
    this.#sending = true;
    const { text, taken } = this.#waiting.shift();
    this.#native.sendLater(text, (kind) => {
      this.#sending = false;
      // Also at the end: nobody is to wait for ever.
      taken?.();
      if (kind === "done") this.#sendNext();
    });
  }

  #answered(id) {
    if (this.#asked.delete(id)) alive.rest(this.#owner);
  }

  #receive(kind, text) {
    if (kind === "end") {
      this.#end();
      return;
    }
    const message = JSON.parse(text);
    if (message.method === undefined) this.#answered(message.id);
    this.#onMessage(message);
  }

  #end() {
    if (this.#ended) return;
    this.#ended = true;
    for (const id of this.#asked) this.#answered(id);
    for (const { taken } of this.#waiting.splice(0)) taken?.();
    this.#closing?.resolve();
    this.#onEnd();
  }

  /** Ends the session; the promise is kept when all is closed. */
  close() {
    if (this.#ended) return Promise.resolve();
    if (!this.#closing) {
      const closing = {};
      closing.promise = new Promise((resolve) => {
        closing.resolve = resolve;
      });
      this.#closing = closing;
      alive.work(this);
      closing.promise.then(() => alive.rest(this));
      this.#native.close();
    }
    return this.#closing.promise;
  }
}

module.exports = { Channel };
