// `register`: the life of an announcement.
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { Hub, HubError, register } from "../../../npm/brummer-hub/index.mjs";
import { directory, packageUrl, program, readJson, removed, until, windows, within } from "./support.mjs";

test("an announcement says what was given, and is taken back once", async () => {
  const dataDir = directory();
  const registration = register({
    port: 4711,
    name: "shop",
    path: dataDir,
    endpoint: "/api/mcp",
    id: "my-shop",
    version: "1.2.3",
    labels: { team: "a" },
    dataDir,
  });
  assert.equal(registration.id, "my-shop");
  assert.equal(registration.file, path.join(dataDir, "instances", "my-shop.json"));
  const { started, last_seen, pid_namespace, ...said } = readJson(registration.file);
  assert.deepEqual(said, {
    id: "my-shop",
    pid: process.pid,
    path: dataDir,
    port: 4711,
    name: "shop",
    has_package_json: false,
    endpoint: "/api/mcp",
    version: "1.2.3",
    labels: { team: "a" },
  });
  await registration.close();
  assert.ok(!existsSync(registration.file));
  await registration.close();
});

test("what cannot be meant is refused with its name", () => {
  const dataDir = directory();
  const cases = [
    [undefined, /`port` is missing/],
    [{}, /`port` is missing/],
    [{ port: 0 }, /`port` must be a port/],
    [{ port: "80" }, /`port` must be a port/],
    [{ port: 80, prot: 1 }, /no option `prot`/],
    [{ port: 80, labels: { a: 1 } }, /`labels` must be/],
    [{ port: 80, id: "a/b" }, /`id`/],
    [{ port: 80, endpoint: "//mcp" }, /endpoint/],
    [{ port: 80, token: "" }, /`token`/],
    [{ port: 80, headers: { "x-key": 7 } }, /`headers` must be/],
  ];
  for (const [options, message] of cases) {
    assert.throws(
      () => register(options && { dataDir, ...options }),
      (error) => {
        assert.ok(error instanceof TypeError, String(error));
        assert.equal(error.code, "ERR_BH_INVALID_ARGUMENT");
        assert.match(error.message, message);
        return true;
      },
    );
  }
});

test("a place that cannot be written to is an error with a code", (t) => {
  const dataDir = directory();
  const blocked = register({ port: 80, dataDir });
  t.after(() => blocked.close());
  assert.throws(
    () => register({ port: 80, dataDir: path.join(blocked.file, "below") }),
    (error) => error instanceof HubError && error.code === "ERR_BH_IO" && error.name === "HubError",
  );
});

const files = (dataDir) => readdirSync(path.join(dataDir, "instances"));
const REGISTER = "const registration = api.register({ port: 4711, dataDir }); console.log(registration.file);";

test("it does not keep the process alive, and is gone at the normal end", async (t) => {
  for (const [ending, code] of [
    ["", 0],
    ["process.exit(7);", 7],
  ]) {
    const dataDir = directory();
    const running = program(t, `${REGISTER} ${ending}`, { dataDir });
    await running.line();
    assert.deepEqual({ ...(await running.end()), stderr: "" }, { code, signal: null, stderr: "" });
    assert.deepEqual(files(dataDir), []);
  }
});

test("an error that nobody catches takes it back as well", async (t) => {
  const dataDir = directory();
  const running = program(t, `${REGISTER} setTimeout(() => { throw new Error("oops"); });`, { dataDir });
  const { code, stderr } = await running.end();
  assert.equal(code, 1);
  assert.match(stderr, /oops/);
  assert.deepEqual(files(dataDir), []);
});

test("a signal that nobody handles ends the process as ever, without the file", { skip: windows }, async (t) => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    const dataDir = directory();
    const running = program(t, `${REGISTER} setInterval(() => {}, 1000);`, { dataDir });
    assert.ok(existsSync(await running.line()));
    running.child.kill(signal);
    assert.equal((await running.end()).signal, signal);
    assert.deepEqual(files(dataDir), []);
  }
});

test("a signal that the program handles is the program's", { skip: windows }, async (t) => {
  const dataDir = directory();
  const source = `${REGISTER}
    import { existsSync } from "node:fs";
    let count = 0;
    process.on("SIGTERM", () => {
      console.log(existsSync(registration.file));
      if (++count === 2) process.exit(5);
    });
    setInterval(() => {}, 1000);
    console.log("ready");`;
  const running = program(t, source, { dataDir });
  await running.line();
  await running.line();
  for (let count = 0; count < 2; count++) {
    running.child.kill("SIGTERM");
    assert.equal(await running.line(), "true");
  }
  assert.equal((await running.end()).code, 5);
  assert.deepEqual(files(dataDir), []);
});

test("the package signal-exit and this one do not wait for each other", { skip: windows }, async (t) => {
  const signalExit = import.meta.resolve("signal-exit");
  for (const theirsFirst of [true, false]) {
    const dataDir = directory();
    const theirs = `onExit((code, signal) => console.log("theirs", signal));`;
    const source = `
      import { onExit } from ${JSON.stringify(signalExit)};
      ${theirsFirst ? theirs : ""}
      ${REGISTER}
      ${theirsFirst ? "" : theirs}
      setInterval(() => {}, 1000);
      console.log("ready");`;
    const running = program(t, source, { dataDir });
    await running.line();
    await running.line();
    running.child.kill("SIGTERM");
    assert.equal(await running.line(), "theirs SIGTERM");
    assert.equal((await running.end()).signal, "SIGTERM");
    assert.deepEqual(files(dataDir), []);
  }
});

test("no listener stays behind when nothing is announced", async () => {
  const dataDir = directory();
  const counts = () => ["exit", "SIGINT", "SIGTERM", "SIGHUP"].map((event) => process.listenerCount(event));
  const before = counts();
  const some = [1, 2, 3].map((port) => register({ port, dataDir }));
  assert.deepEqual(counts(), before.map((count) => count + 1));
  for (const registration of some) await registration.close();
  assert.deepEqual(counts(), before);
});

test("a process that crashes is seen to be gone, and its file removed", { skip: windows }, async (t) => {
  const dataDir = directory();
  const hub = await Hub.start({ dataDir });
  t.after(() => hub.close());
  const source = `
    import http from "node:http";
    const answer = { jsonrpc: "2.0", id: 0, error: { code: -32601, message: "no" } };
    const server = http.createServer((request, response) => {
      request.resume().on("end", () => {
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify(answer));
      });
    });
    server.listen(0, "127.0.0.1", () => {
      const { file } = api.register({ port: server.address().port, name: "crashing", dataDir });
      console.log(file);
    });`;
  const running = program(t, source, { dataDir });
  const file = await running.line();
  await until(hub, () => hub.instances().length === 1, "it appears");
  running.child.kill("SIGKILL");
  await until(hub, () => hub.instances().length === 0, "it is gone");
  await removed(file);
});

test("a worker's announcement ends with the worker", async () => {
  for (const ending of ["", "process.exit(0);", "setInterval(() => {}, 1000);"]) {
    const dataDir = directory();
    const source = `
      import(${JSON.stringify(packageUrl)}).then(({ register }) => {
        const { parentPort } = require("node:worker_threads");
        parentPort.postMessage(register({ port: 4711, dataDir: ${JSON.stringify(dataDir)} }).file);
        ${ending}
      });`;
    const worker = new Worker(source, { eval: true });
    const ended = new Promise((resolve) => worker.once("exit", resolve));
    const file = await within(new Promise((resolve) => worker.once("message", resolve)), "the worker announces");
    if (ending.startsWith("setInterval")) await worker.terminate();
    await within(ended, "the end of the worker");
    assert.ok(!existsSync(file), `after ${ending || "its end"}`);
  }
});

test("a server that announces itself is found within the process", async (t) => {
  const dataDir = directory();
  const server = http.createServer((_request, response) => response.writeHead(404).end());
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const registration = register({ port: server.address().port, name: "found", dataDir });
  t.after(() => registration.close());
  const hub = await Hub.start({ dataDir });
  t.after(() => hub.close());
  assert.equal(hub.instances()[0].name, "found");
});

test("several copies of the package in one process end with a signal as one does", { skip: windows }, async (t) => {
  for (const signal of ["SIGINT", "SIGTERM"]) {
    const dataDir = directory();
    const source = `import { createRequire } from "node:module";
      const require = createRequire(${JSON.stringify(packageUrl)});
      const files = [];
      for (let copy = 0; copy < 3; copy++) {
        for (const file of Object.keys(require.cache)) if (!file.endsWith(".node")) delete require.cache[file];
        files.push(require("./index.js").register({ port: 4711 + copy, dataDir }).file);
      }
      console.log(JSON.stringify(files));
      setInterval(() => {}, 1e6);`;
    const running = program(t, source, { dataDir });
    const announced = JSON.parse(await running.line());
    assert.equal(new Set(announced).size, 3);
    running.child.kill(signal);
    const { code, signal: ended } = await running.end();
    assert.deepEqual([code, ended], [null, signal]);
    for (const file of announced) assert.ok(!existsSync(file), file);
  }
});

test("secrets stand in the announcement, and nowhere else", async (t) => {
  const dataDir = directory();
  const registration = register({ port: 4711, token: "hunter2", headers: { "X-Api-Key": "swordfish" }, dataDir });
  t.after(() => registration.close());
  const said = readJson(registration.file);
  assert.equal(said.token, "hunter2");
  assert.deepEqual(said.headers, { "x-api-key": "swordfish" });
});
