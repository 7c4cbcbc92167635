"use strict";
// An async iterator over what comes, with a bound.
const alive = require("./alive.js");
const { cancelled } = require("./errors.js");

/** What may wait for a slow reader. */
const WAITING = 1024;

/**
 * Values for `for await`. Of a reader that is too slow, new values are dropped and counted: `lagged(missed)` makes the
 * value that says so. Whoever waits for a value keeps `owner` from being collected, but not the event loop.
 */
class Queue {
  #values = [];
  #missed = 0;
  #waiters = [];
  #ended = false;
  #error;
  #owner;
  #lagged;
  #stop;
  #signal;
  #abort;

  constructor({ owner, lagged, stop, signal }) {
    this.#owner = owner;
    this.#lagged = lagged;
    this.#stop = stop;
    if (signal) {
      this.#signal = signal;
      this.#abort = () => {
        this.#error = cancelled(signal);
        this.#values.length = 0;
        this.end();
      };
      if (signal.aborted) this.#abort();
      else signal.addEventListener("abort", this.#abort, { once: true });
    }
  }

  push(value) {
    if (this.#ended) return;
    const waiter = this.#waiters.shift();
    if (waiter) {
      alive.release(this.#owner);
      waiter.resolve({ value, done: false });
    } else if (this.#values.length < WAITING) {
      this.#values.push(value);
    } else {
      this.#missed += 1;
    }
  }

  /** No more values come; those that wait can still be read. */
  end() {
    if (this.#ended) return;
    this.#ended = true;
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#stop?.(this);
    for (const waiter of this.#waiters.splice(0)) {
      alive.release(this.#owner);
      this.#finish(waiter);
    }
  }

  #finish({ resolve, reject }) {
    const error = this.#error;
    this.#error = undefined;
    if (error) reject(error);
    else resolve({ value: undefined, done: true });
  }

  next() {
    return new Promise((resolve, reject) => {
      if (this.#values.length > 0) {
        resolve({ value: this.#values.shift(), done: false });
      } else if (this.#missed > 0) {
        const missed = this.#missed;
        this.#missed = 0;
        resolve({ value: this.#lagged(missed), done: false });
      } else if (this.#ended) {
        this.#finish({ resolve, reject });
      } else {
        alive.retain(this.#owner);
        this.#waiters.push({ resolve, reject });
      }
    });
  }

  async return(value) {
    this.#values.length = 0;
    this.#missed = 0;
    this.end();
    return { value, done: true };
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  async [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]() {
    await this.return();
  }
}

module.exports = { Queue };
