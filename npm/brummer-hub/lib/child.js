"use strict";
// The executable as a child, for a Node that cannot replace itself: signals go to it, its end becomes ours.
const { execFileSync, spawn } = require("node:child_process");
const fs = require("node:fs");
const { constants } = require("node:os");
const { isProgram } = require("./executable.js");

/** Signals that are meant for the program and not for this process. */
const SIGNALS = process.platform === "win32" ? ["SIGINT", "SIGTERM", "SIGBREAK"] : ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR2"];

/**
 * Whether this process is in the foreground of its terminal: then Ctrl-C reaches the child as well, and a second interrupt
 * would end it without grace. One that somebody sends to this process alone at such a time cannot be told from it.
 */
function inForeground() {
  try {
    if (process.platform === "linux") {
      // After the name, which may hold anything: state, parent, group, session, terminal, the terminal's foreground group.
      const stat = fs.readFileSync("/proc/self/stat", "latin1");
      const [, , group, , terminal, foreground] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return terminal !== "0" && group === foreground;
    }
    const asked = execFileSync("ps", ["-o", "pgid=,tpgid=", "-p", String(process.pid)], { encoding: "utf8" });
    const [group, foreground] = asked.trim().split(/\s+/);
    return group === foreground;
  } catch {
    return process.stdin.isTTY === true || process.stderr.isTTY === true;
  }
}

/** Says why there is no child. */
function failed(file, error) {
  process.stderr.write(
    `brummer-hub: cannot run ${file}: ${error.message}\n` +
      "It may be damaged, made for another system, or on a disk that allows no programs. Install the package again on this machine.\n",
  );
  process.exit(1);
}

function run(file, args) {
  let child;
  if (!isProgram(file)) failed(file, new Error("it is not a program for this system"));
  // Before the child is there: it may have answered before this process gets to the next line. They run later, with it.
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      // The console of Windows tells all its processes by itself; a signal sent on would kill the child in the middle.
      if (process.platform === "win32" || (signal === "SIGINT" && inForeground())) return;
      child.kill(signal);
    });
  }
  try {
    child = spawn(file, args, { stdio: "inherit", windowsHide: true });
  } catch (error) {
    failed(file, error);
  }
  child.on("error", (error) => failed(file, error));
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    for (const each of SIGNALS) process.removeAllListeners(each);
    // Whoever started this sees the end as it was. Where the signal cannot be repeated, its number says it.
    process.kill(process.pid, signal);
    setTimeout(() => process.exit(128 + (constants.signals[signal] ?? 0)), 1000);
  });
}

module.exports = { run };
