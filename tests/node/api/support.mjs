// What the suites share: places of their own, programs of their own, and waiting for what happens.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** The repository. */
export const root = fileURLToPath(new URL("../../../", import.meta.url));
/** The package, as it stands in the repository. */
export const packageUrl = new URL("../../../npm/brummer-hub/index.mjs", import.meta.url).href;

/** After this a test has failed; nothing waits for it otherwise. */
const PATIENCE_MS = 180_000;

/** What is removed when the process ends. The hooks of a test run in their order: its first directory would go before what uses it. */
const made = [];
process.on("exit", () => made.forEach((it) => rmSync(it, { recursive: true, force: true, maxRetries: 5 })));

/** A new directory. */
export function directory() {
  made.push(mkdtempSync(path.join(tmpdir(), "brummer-node-")));
  return made.at(-1);
}

/** Waits, but not for ever. `what` may be a function: what is to be said only then. */
export function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    const said = () => (typeof what === "function" ? what() : what);
    timer = setTimeout(() => reject(new Error(`it takes too long: ${said()}`)), PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Waits until `look` returns something, looking again whenever `hub` tells of a change. */
export async function until(hub, look, what) {
  const watch = hub.watch();
  try {
    for (;;) {
      const found = await look();
      if (found) return found;
      await within(watch.next(), what);
    }
  } finally {
    await watch.return();
  }
}

/** Waits until a file is not there. */
export async function removed(file) {
  const watcher = watch(path.dirname(file));
  try {
    const seen = new Promise((resolve) => {
      watcher.on("change", () => existsSync(file) || resolve());
      if (!existsSync(file)) resolve();
    });
    await within(seen, `${file} is removed`);
  } finally {
    watcher.close();
  }
}

/** A program of a few lines, with the package at hand as `api`, in a process of its own. */
export function program(t, source, { dataDir, args = [], node = process.execPath, flags = [] } = {}) {
  const file = path.join(directory(), "program.mjs");
  writeFileSync(file, `import * as api from ${JSON.stringify(packageUrl)};\nconst dataDir = process.env.DATA;\n${source}\n`);
  return run(t, node, [...flags, file, ...args], { ...process.env, DATA: dataDir });
}

/** A command whose lines can be waited for. */
export function run(t, command, args, env = process.env, options = {}) {
  const child = spawn(command, args, { env, stdio: ["pipe", "pipe", "pipe"], ...options });
  t.after(() => child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let stderr = "";
  child.stderr.on("data", (text) => (stderr += text));
  const ended = new Promise((resolve) => child.on("close", (code, signal) => resolve({ code, signal, stderr })));
  return {
    child,
    /** Its next line. */
    async line() {
      const { value, done } = await within(lines.next(), "a line");
      if (done) throw new Error(`it ended without the line: ${stderr}`);
      return value;
    },
    /** All further lines. */
    async rest() {
      const all = [];
      for (let next = await within(lines.next()); !next.done; next = await within(lines.next())) all.push(next.value);
      return all;
    },
    end: () => within(ended, "the end of a program"),
  };
}

export const readJson = (file) => JSON.parse(readFileSync(file, "utf8"));

/** A promise with its handles, and an event that can be waited for. */
export function deferred() {
  let resolve;
  const promise = new Promise((keep) => (resolve = keep));
  return { promise, resolve };
}

export const windows = process.platform === "win32";
