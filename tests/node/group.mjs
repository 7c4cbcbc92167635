// Programs with all that they start: each is a process group of its own, so that it can be ended as a whole, and none
// outlives this process.
import { spawn } from "node:child_process";

const groups = new Set();

/** Starts a program. It counts as running until `endGroup(child, "SIGKILL")`, even when the program itself has ended. */
export function startGroup([program, ...rest], options) {
  const child = spawn(program, rest, { ...options, detached: true });
  groups.add(child);
  return child;
}

/** Sends a signal to all of it. */
export function endGroup(child, signal) {
  if (signal === "SIGKILL") groups.delete(child);
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // Nothing of it runs any more.
  }
}

process.on("exit", () => [...groups].forEach((child) => endGroup(child, "SIGKILL")));
for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]]) process.on(signal, () => process.exit(code));
