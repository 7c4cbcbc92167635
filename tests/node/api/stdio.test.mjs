// A server that speaks only stdio, shared by a program.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Hub, StdioInstance, serveStdio } from "../../../npm/brummer-hub/index.mjs";
import { directory, root, until } from "./support.mjs";

const script = path.join(root, "tests/node/stdio-server.mjs");
const textOf = (result) => JSON.parse(result.content[0].text);

test("a stdio server is one process for all who use it, and ends with its instance", async (t) => {
  const dataDir = directory();
  const inventory = path.join(dataDir, "offers.json");
  const options = { command: process.execPath, args: [script], name: "scripted", dataDir, inventory, idle: Infinity };
  const shared = await serveStdio({ ...options, labels: { tier: "tools" } });
  assert.ok(shared instanceof StdioInstance && existsSync(shared.file));
  const hubs = [await Hub.start({ dataDir }), await Hub.start({ dataDir })];
  t.after(() => Promise.all(hubs.map((hub) => hub.close())));
  const pids = [];
  for (const hub of hubs) {
    await until(hub, () => hub.instances().find((it) => it.id === shared.id && it.state === "active"), "it is active");
    const session = await hub.connect("scripted");
    assert.deepEqual(textOf(await session.callTool("echo", { n: 1 })), { n: 1 });
    pids.push(textOf(await session.callTool("pid")).pid);
  }
  assert.equal(pids[0], pids[1]);
  // It is told after the answer, maybe.
  while (shared.report().starts === 0) await new Promise(setImmediate);
  const report = shared.report();
  assert.deepEqual([report.sharing, report.starts, report.isStale, report.lastEnd], ["shared", 1, false, null]);
  assert.deepEqual(report.processes, [{ pid: pids[0], state: "running" }]);
  const { file } = shared;
  await shared.close();
  await shared.close();
  assert.ok(shared.closed && !existsSync(file));
  assert.throws(() => process.kill(pids[0], 0), { code: "ESRCH" });
  assert.ok(existsSync(inventory), "what it offers is kept for the next time");
});

test("each session may have a process of its own", async (t) => {
  const dataDir = directory();
  const own = await serveStdio({ command: process.execPath, args: [script], name: "own", dataDir, perSession: true });
  t.after(() => own.close());
  const hub = await Hub.start({ dataDir });
  t.after(() => hub.close());
  await until(hub, () => hub.instances().find((it) => it.id === own.id && it.state === "active"), "it is active");
  const [one, other] = [await hub.connect("own"), await hub.connect("own")];
  assert.notEqual(textOf(await one.callTool("pid")).pid, textOf(await other.callTool("pid")).pid);
});

test("what makes no sense is refused, and a program that is missing is told of", async (t) => {
  const dataDir = directory();
  for (const options of [{}, { command: "" }, { command: "x", args: "y" }, { command: "x", idle: -1 }, { command: "x", idle: "1s" }, { command: "x", surprise: 1 }]) {
    await assert.rejects(serveStdio({ dataDir, ...options }), { code: "ERR_BH_INVALID_ARGUMENT" });
  }
  const missing = await serveStdio({ command: "no-such-program-of-anybody", name: "missing", dataDir });
  t.after(() => missing.close());
  const hub = await Hub.start({ dataDir });
  t.after(() => hub.close());
  while (missing.report().lastEnd === null) await new Promise(setImmediate);
  assert.match(missing.report().lastEnd, /cannot start `no-such-program-of-anybody`/);
});
