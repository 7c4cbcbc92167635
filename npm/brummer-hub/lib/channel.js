"use strict";
// JSON-RPC messages to and from a session of the addon: in order, and with requests counted.
const alive = require("./alive.js");
const { HubError, translated } = require("./errors.js");

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
  /** Messages that the session has no room for yet. */
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

  /** Sends one message; throws when the session has ended. */
  send(message) {
    if (this.#ended || this.#closing) throw new HubError("ERR_BH_CLOSED", "the session has ended");
    const text = JSON.stringify(message);
    if (this.#sending || !translated(() => this.#native.send(text))) {
      this.#waiting.push(text);
      this.#sendNext();
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
    this.#native.sendLater(this.#waiting.shift(), (kind) => {
      this.#sending = false;
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
    this.#waiting.length = 0;
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
