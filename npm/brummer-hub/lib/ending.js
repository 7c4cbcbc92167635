"use strict";
// Takes announcements back when the process ends, without taking anything from the program.
const { isMainThread } = require("node:worker_threads");

/** Signals that end a process, and that a person or a supervisor sends. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

/** Everything that is to be taken back, with what does it; held so that it is not collected meanwhile. */
const standing = new Map();

/** The listeners of all copies of this package in the process: a program may have several, and none is another's program. */
const ours = (process[Symbol.for("brummer-hub signal listeners")] ??= new Set());

function takeBackAll() {
  for (const takeBack of standing.values()) {
    try {
      takeBack();
    } catch {
      // The process ends anyway, and hubs see that it has.
    }
  }
  standing.clear();
}

/** Listeners of the package `signal-exit`, which re-raise a signal when nobody else listens. They are not the program's. */
function politeListeners() {
  const emitters = [globalThis[Symbol.for("signal-exit emitter")], process.__signal_exit_emitter__];
  return emitters.reduce((sum, emitter) => sum + (typeof emitter?.count === "number" ? emitter.count : 0), 0);
}

/**
 * A signal that nobody else handles would have ended the process at once, so it is sent again when everything is taken
 * back; of several copies of this package the last one's counts. One that the program handles is the program's: should it end the process, `exit` is emitted.
 */
function onSignal(signal) {
  const others = process.listeners(signal).filter((listener) => !ours.has(listener));
  if (others.length > politeListeners()) return;
  takeBackAll();
  ignore();
  process.kill(process.pid, signal);
}

function listen() {
  process.on("exit", takeBackAll);
  ours.add(onSignal);
  // Workers get no signals.
  if (isMainThread) for (const signal of SIGNALS) process.on(signal, onSignal);
}

function ignore() {
  process.off("exit", takeBackAll);
  ours.delete(onSignal);
  if (isMainThread) for (const signal of SIGNALS) process.off(signal, onSignal);
}

/** Calls `takeBack` for an object when the process ends. */
function add(object, takeBack) {
  if (standing.size === 0) listen();
  standing.set(object, takeBack);
}

function remove(object) {
  if (standing.delete(object) && standing.size === 0) ignore();
}

module.exports = { add, remove };
