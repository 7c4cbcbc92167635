// `Hub`: events in order, several hubs, threads, and what does not stay behind.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { Hub, serveInstance } from "../../../npm/brummer-hub/index.mjs";
import { directory, packageUrl, program, until, within } from "./support.mjs";

async function started(t, dataDir) {
  const hub = await Hub.start({ dataDir });
  t.after(() => hub.close());
  return hub;
}

async function serving(t, options) {
  const server = await serveInstance({ tools: { text: () => "hello" }, ...options });
  t.after(() => server.close());
  return server;
}

/** The events of one instance, up to that it is gone. */
async function life(watch, id) {
  const events = [];
  for await (const event of watch) {
    if (event.instance?.id === id) events.push(event);
    if (event.type === "gone") return events;
  }
  throw new Error("it ended");
}

test("options that make no sense are refused", async () => {
  const wrong = { name: "TypeError", code: "ERR_BH_INVALID_ARGUMENT" };
  await assert.rejects(Hub.start({ dataDri: "x" }), { ...wrong, message: /dataDri/ });
  await assert.rejects(Hub.start({ callTimeout: -1 }), { ...wrong, message: /callTimeout/ });
  await assert.rejects(Hub.start("here"), wrong);
  assert.throws(() => new Hub(), /Hub\.start/);
});

test("nothing runs: an empty list", async (t) => {
  const hub = await started(t, directory());
  assert.deepEqual(hub.instances(), []);
});

test("events come in order, by iterator and by listener", async (t) => {
  const dataDir = directory();
  const hub = await started(t, dataDir);
  const heard = [];
  for (const type of ["appeared", "state", "gone"]) hub.on(type, (event) => heard.push(event));
  const watch = hub.watch();
  const server = await serveInstance({ name: "one", dataDir });
  await until(hub, () => hub.instances().some(({ state }) => state === "active"), "it is active");
  await server.close();
  const events = await within(life(watch, server.id), "its life");
  assert.equal(events[0].type, "appeared");
  assert.equal(events.at(-1).type, "gone");
  const states = events.filter(({ type }) => type === "state");
  assert.deepEqual(
    states.slice(0, 2).map(({ from, instance }) => [from, instance.state]),
    [
      ["discovered", "connecting"],
      ["connecting", "active"],
    ],
  );
  for (const [at, event] of states.entries()) {
    if (at > 0) assert.equal(event.from, states[at - 1].instance.state);
  }
  assert.deepEqual(heard, events);
  assert.deepEqual(await watch.next(), { value: undefined, done: true });
});

test("a watch ends with its signal, and with the hub", async (t) => {
  const hub = await started(t, directory());
  const controller = new AbortController();
  const aborted = hub.watch({ signal: controller.signal }).next();
  const reason = new Error("enough");
  controller.abort(reason);
  await assert.rejects(aborted, { name: "AbortError", code: "ERR_BH_CANCELLED", cause: reason });
  await assert.rejects(hub.watch({ signal: AbortSignal.abort() }).next(), { code: "ERR_BH_CANCELLED" });
  const open = hub.watch().next();
  const closed = once(hub, "close");
  await hub.close();
  await closed;
  assert.deepEqual(await open, { value: undefined, done: true });
  assert.ok(hub.closed);
});

test("a reader that is too slow is told what it missed", async (t) => {
  const dataDir = directory();
  const hub = await started(t, dataDir);
  const slow = hub.watch();
  let count = 0;
  hub.on("event", () => (count += 1));
  const servers = await Promise.all(Array.from({ length: 8 }, (_, at) => serving(t, { name: `s${at}`, dataDir })));
  while (count < 1100) {
    const server = servers.pop();
    await server.close();
    servers.unshift(await serving(t, { name: `s${count}`, dataDir }));
    const last = servers[0].id;
    await until(hub, () => hub.instances().some(({ id, state }) => id === last && state === "active"), "active");
  }
  let seen = 0;
  for await (const event of slow) {
    if (event.type === "lagged") {
      assert.ok(event.missed > 0);
      break;
    }
    seen += 1;
  }
  assert.equal(seen, 1024);
});

test("two hubs of one process do not know of each other", async (t) => {
  const [one, other] = [directory(), directory()];
  await serving(t, { name: "one", dataDir: one });
  await serving(t, { name: "other", dataDir: other, tools: { text: () => "other" } });
  const [first, second, both] = [await started(t, one), await started(t, other), await started(t, one)];
  assert.deepEqual(
    [first, second, both].map((hub) => hub.instances().map(({ name }) => name)),
    [["one"], ["other"], ["one"]],
  );
  const session = await second.connect("other");
  await first.close();
  assert.equal((await session.callTool("text")).content[0].text, "other");
  assert.equal(both.instances().length, 1);
});

test("nothing keeps the process alive but what is asked for", async (t) => {
  const dataDir = directory();
  await serving(t, { name: "shop", dataDir });
  const all = `
    const hub = await api.Hub.start({ dataDir });
    const session = await hub.connect("shop");
    const transport = new api.HubTransport(hub);
    await transport.start();
    hub.on("event", () => {});
    hub.watch().next();
    session.notifications().next();
    await api.serveInstance({ name: "inner", dataDir });
    console.log((await session.callTool("text")).content[0].text);`;
  const idle = program(t, all, { dataDir });
  assert.equal(await idle.line(), "hello");
  assert.deepEqual(await idle.end(), { code: 0, signal: null, stderr: "" });
  for (const held of ["hub", "session"]) {
    const source = `${all}
      ${held}.ref().ref();
      process.stdin.once("data", () => { ${held}.unref(); process.stdin.destroy(); });`;
    const kept = program(t, source, { dataDir });
    assert.equal(await kept.line(), "hello");
    kept.child.stdin.write("go\n");
    assert.deepEqual(await kept.end(), { code: 0, signal: null, stderr: "" });
  }
});

test("worker threads have hubs and sessions of their own", async (t) => {
  const dataDir = directory();
  await serving(t, { name: "shop", dataDir });
  const source = `
    const { parentPort } = require("node:worker_threads");
    import(${JSON.stringify(packageUrl)}).then(async ({ Hub }) => {
      const hub = await Hub.start({ dataDir: ${JSON.stringify(dataDir)} });
      const session = await hub.connect("shop");
      for (let count = 0; count < 20; count++) await session.callTool("text");
      parentPort.postMessage((await session.callTool("text")).content[0].text);
      hub.ref();
      parentPort.on("message", () => hub.close().then(() => process.exit()));
    });`;
  const workers = Array.from({ length: 6 }, () => new Worker(source, { eval: true }));
  const answers = workers.map((worker) => once(worker, "message"));
  for (const answer of answers) assert.deepEqual(await within(answer, "a worker's answer"), ["hello"]);
  // Half of them end in order, half are cut off.
  const ends = workers.map((worker) => once(worker, "exit"));
  for (const [at, worker] of workers.entries()) {
    if (at % 2) worker.postMessage("close");
    else await worker.terminate();
  }
  await within(Promise.all(ends), "the workers end");
});

test("ten thousand calls leave nothing behind", async (t) => {
  const dataDir = directory();
  const source = `
    import { readdirSync } from "node:fs";
    await api.serveInstance({ name: "shop", dataDir, tools: { echo: (args) => args } });
    const hub = await api.Hub.start({ dataDir });
    const session = await hub.connect("shop");
    const round = async (count) => {
      for (let at = 0; at < count; at += 50) {
        await Promise.all(Array.from({ length: 50 }, (_, n) => session.callTool("echo", { n, at })));
      }
    };
    const measure = () => {
      gc();
      const handles = process.platform === "linux" ? readdirSync("/proc/self/fd").length : 0;
      return [process.memoryUsage().rss, process.getActiveResourcesInfo().length, handles];
    };
    await round(2000);
    const before = measure();
    await round(10000);
    console.log(JSON.stringify([before, measure()]));
    await hub.close();`;
  const running = program(t, source, { dataDir, flags: ["--expose-gc"] });
  const [before, after] = JSON.parse(await running.line());
  const grown = after[0] - before[0];
  assert.ok(grown < 24 * 1024 * 1024, `${grown} bytes more`);
  assert.ok(after[1] <= before[1] + 2, `resources: ${before[1]}, then ${after[1]}`);
  assert.ok(after[2] <= before[2] + 4, `files: ${before[2]}, then ${after[2]}`);
  assert.equal((await running.end()).code, 0);
});

test("hubs, sessions and transports that nobody uses are collected, and stop", async (t) => {
  const dataDir = directory();
  const source = `
    import { readdirSync } from "node:fs";
    import { setTimeout as pause } from "node:timers/promises";
    const server = await api.serveInstance({ name: "shop", dataDir, tools: { text: () => "hello" } });
    let collected = 0;
    const registry = new FinalizationRegistry(() => (collected += 1));
    async function use() {
      const hub = await api.Hub.start({ dataDir });
      const session = await hub.connect("shop");
      await session.callTool("text");
      const transport = new api.HubTransport(hub);
      await transport.start();
      await hub.watch().return();
      for (const object of [hub, session, transport]) registry.register(object);
    }
    const files = () => (process.platform === "linux" ? readdirSync("/proc/self/fd").length : 0);
    await use();
    const one = files();
    for (let count = 1; count < 10; count++) await use();
    while (collected < 30 || files() > one) {
      gc();
      await pause(20);
    }
    console.log("collected");`;
  const running = program(t, source, { dataDir, flags: ["--expose-gc"] });
  assert.equal(await running.line(), "collected");
  assert.equal((await running.end()).code, 0);
});

test("a session in use is not collected while it waits", async (t) => {
  const dataDir = directory();
  const source = `
    import { setTimeout as pause } from "node:timers/promises";
    await api.serveInstance({ name: "shop", dataDir, tools: { later: async () => { await pause(300); return "late"; } } });
    const call = (async () => (await (await api.Hub.start({ dataDir })).connect("shop")).callTool("later"))();
    const collect = setInterval(gc, 10);
    console.log((await call).content[0].text);
    clearInterval(collect);`;
  const running = program(t, source, { dataDir, flags: ["--expose-gc"] });
  assert.equal(await running.line(), "late");
  assert.equal((await running.end()).code, 0);
});

test("an idle hub leaves the event loop alone", async (t) => {
  const hub = await started(t, directory());
  await turn();
  const resources = process.getActiveResourcesInfo().filter((name) => name === "Timeout");
  hub.ref();
  assert.equal(process.getActiveResourcesInfo().filter((name) => name === "Timeout").length, resources.length + 1);
  hub.unref();
  assert.equal(process.getActiveResourcesInfo().filter((name) => name === "Timeout").length, resources.length);
});
