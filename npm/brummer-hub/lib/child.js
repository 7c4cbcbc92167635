"use strict";
// The executable as a child, for a Node that cannot replace itself: signals go to it, its end becomes ours.
const { spawn } = require("node:child_process");
const { constants } = require("node:os");

/** Signals that are meant for the program and not for this process. */
const SIGNALS = process.platform === "win32" ? ["SIGINT", "SIGTERM", "SIGBREAK"] : ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR2"];

function run(file, args) {
  let child;
  // Before the child is there: it may have answered before this process gets to the next line. They run later, with it.
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      // The console of Windows tells all its processes by itself; a signal sent on would kill the child in the middle.
      if (process.platform !== "win32") child.kill(signal);
    });
  }
  child = spawn(file, args, { stdio: "inherit", windowsHide: true });
  child.on("error", (error) => {
    process.stderr.write(`brummer-hub: cannot run ${file}: ${error.message}\n`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    for (const each of SIGNALS) process.removeAllListeners(each);
    // Whoever started this sees the end as it was. Where the signal cannot be repeated, its number says it.
    process.kill(process.pid, signal);
    setTimeout(() => process.exit(128 + (constants.signals[signal] ?? 0)), 1000);
  });
}

module.exports = { run };
