"use strict";
// What keeps the event loop, and objects, alive. The addon itself never does.
const { clearInterval, setInterval } = require("node:timers");

/** The longest interval that timers have. */
const LONGEST_MS = 2 ** 31 - 1;

const nothing = () => {};

/** How often each object is held. */
class Holds {
  #held = new Map();

  add(object) {
    this.#held.set(object, (this.#held.get(object) ?? 0) + 1);
  }

  remove(object) {
    const left = (this.#held.get(object) ?? 0) - 1;
    if (left > 0) this.#held.set(object, left);
    else this.#held.delete(object);
  }

  get size() {
    return this.#held.size;
  }
}

const busy = new Holds();
const retained = new Holds();
let timer;

/** Keeps the event loop alive for an object, and the object with it, until `rest` was called as often. */
function work(object) {
  busy.add(object);
  timer ??= setInterval(nothing, LONGEST_MS);
}

function rest(object) {
  busy.remove(object);
  if (busy.size === 0 && timer) {
    clearInterval(timer);
    timer = undefined;
  }
}

/** Keeps an object from being collected, until `release` was called as often; the event loop may end all the same. */
function retain(object) {
  retained.add(object);
}

function release(object) {
  retained.remove(object);
}

/** Events of EventEmitter itself. */
const OWN_EVENTS = new Set(["newListener", "removeListener"]);

/** Keeps an emitter from being collected while somebody listens. `added` is called for each new listener. */
function withListeners(emitter, added) {
  emitter.on("removeListener", (event) => {
    if (!OWN_EVENTS.has(event)) release(emitter);
  });
  emitter.on("newListener", (event) => {
    if (OWN_EVENTS.has(event)) return;
    retain(emitter);
    added?.();
  });
}

/** `ref()` and `unref()` of an object. */
class Reference {
  #object;
  #on = false;

  constructor(object) {
    this.#object = new WeakRef(object);
  }

  set(on) {
    const object = this.#object.deref();
    if (this.#on === on || !object) return;
    this.#on = on;
    (on ? work : rest)(object);
  }
}

/**
 * A callback for the addon that does not keep `object` alive: it calls `deliver(object, ...)`. Neither may `deliver` refer
 * to the object, nor may any function that is made in the same scope, for they share what they refer to.
 */
function weakly(object, deliver) {
  const weak = new WeakRef(object);
  return (kind, text) => {
    const alive = weak.deref();
    if (alive) deliver(alive, kind, text);
  };
}

/** Runs `start(callback)`, which calls back once with a kind and a text; the event loop waits for it. */
function once(object, start) {
  return new Promise((resolve, reject) => {
    work(object);
    try {
      start((kind, text) => {
        rest(object);
        resolve([kind, text]);
      });
    } catch (error) {
      rest(object);
      reject(error);
    }
  });
}

module.exports = { Reference, once, release, rest, retain, weakly, withListeners, work };
