// `onLog`: what the library has to say.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Hub, onLog, serveInstance } from "../../../npm/brummer-hub/index.mjs";
import { deferred, directory, program, root, within } from "./support.mjs";

/** A place with a file that announces nonsense. */
function nonsense() {
  const dataDir = directory();
  mkdirSync(path.join(dataDir, "instances"), { mode: 0o700 });
  writeFileSync(path.join(dataDir, "instances", "odd.json"), "nonsense", { mode: 0o600 });
  return dataDir;
}

/** Listens for a line that fits. */
function line(t, pattern, options) {
  const heard = deferred();
  const all = [];
  const listener = onLog((each) => {
    all.push(each);
    if (pattern.test(each.message)) heard.resolve(each);
  }, options);
  t.after(() => listener.close());
  return { all, heard: () => within(heard.promise, `a line like ${pattern}`), listener };
}

test("what the hub has to refuse is told, to all who listen, up to their level", async (t) => {
  const [warned, informed] = [line(t, /odd\.json/), line(t, /odd\.json/, { level: "info" })];
  const instance = line(t, /shop/, { level: "debug" });
  const dataDir = nonsense();
  const server = await serveInstance({ name: "shop", dataDir, tools: {} });
  t.after(() => server.close());
  const hub = await Hub.start({ dataDir });
  t.after(() => hub.close());
  const { level, target } = await warned.heard();
  assert.deepEqual([level, target.startsWith("brummer_hub")], ["warn", true]);
  assert.equal((await informed.heard()).level, "warn");
  await instance.heard();
  assert.deepEqual(
    warned.all.filter(({ level }) => level !== "warn" && level !== "error"),
    [],
  );
});

test("who has closed hears nothing more", async (t) => {
  const [gone, stays] = [line(t, /./), line(t, /odd\.json/)];
  gone.listener.close();
  gone.listener.close();
  const hub = await Hub.start({ dataDir: nonsense() });
  t.after(() => hub.close());
  await stays.heard();
  assert.deepEqual(gone.all, []);
});

test("nobody listens by mistake", () => {
  const invalid = { code: "ERR_BH_INVALID_ARGUMENT" };
  assert.throws(() => onLog(), invalid);
  assert.throws(() => onLog(() => {}, { level: "loud" }), { ...invalid, message: /error, warn, info, debug, trace/ });
  assert.throws(() => onLog(() => {}, { levels: "info" }), invalid);
});

test("listening keeps no program alive, and a worker hears as well", async (t) => {
  const dataDir = nonsense();
  const source = `
    import { Worker } from "node:worker_threads";
    api.onLog(({ message }) => console.log("main", /odd/.test(message)));
    const worker = new Worker(\`
      const api = require(${JSON.stringify(path.join(root, "npm/brummer-hub/index.js"))});
      api.onLog(({ message }) => require("node:worker_threads").parentPort.postMessage(message));
      setInterval(() => {}, 1000);
      require("node:worker_threads").parentPort.postMessage("ready");\`, { eval: true });
    await new Promise((resolve) => worker.once("message", resolve));
    const heard = new Promise((resolve) => worker.once("message", resolve));
    const hub = await api.Hub.start({ dataDir });
    console.log("worker", /odd/.test(await heard));
    await worker.terminate();
    await hub.close();`;
  const running = program(t, source, { dataDir });
  const { code, signal, stderr } = await running.end();
  assert.deepEqual([code, signal, stderr], [0, null, ""]);
  assert.deepEqual((await running.rest()).sort(), ["main true", "worker true"]);
});
