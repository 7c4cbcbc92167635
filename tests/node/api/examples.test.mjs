// The examples, run as a person would who has installed what they need.
import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Hub } from "../../../npm/brummer-hub/index.mjs";
import { directory, root, run, until, windows } from "./support.mjs";

const examples = path.join(root, "examples/node");
const modules = path.join(root, "tests/node/node_modules");

/** A project with the examples and what they import. */
function project(t) {
  const folder = directory();
  for (const file of readdirSync(examples)) copyFileSync(path.join(examples, file), path.join(folder, file));
  const links = { "brummer-hub": path.join(root, "npm/brummer-hub") };
  for (const name of ["@modelcontextprotocol/sdk", "express", "vite", "zod"]) links[name] = path.join(modules, name);
  for (const [name, from] of Object.entries(links)) {
    const to = path.join(folder, "node_modules", name);
    mkdirSync(path.dirname(to), { recursive: true });
    symlinkSync(from, to, "junction");
  }
  const dataDir = path.join(folder, "data");
  const env = { ...process.env, BRUMMER_DATA_DIR: dataDir };
  const start = (...args) => run(t, process.execPath, args, env, { cwd: folder });
  return { dataDir, folder, start };
}

async function connected(t, dataDir, name) {
  const hub = await Hub.start({ dataDir });
  t.after(() => hub.close());
  await until(hub, () => hub.instances().some((it) => it.name === name && it.state === "active"), `${name} is active`);
  return { hub, session: await hub.connect(name) };
}

const text = ({ content }) => content.map((block) => block.text).join();

test("a server with Express", async (t) => {
  const { dataDir, start } = project(t);
  const server = start("express.mjs");
  await server.line();
  const { session } = await connected(t, dataDir, "express-shop");
  assert.equal(text(await session.callTool("order", { item: "cake" })), "Ordered cake.");
  assert.match(text(await session.callTool("orders")), /tea.*cake/);

  const embed = start("embed.mjs", "express-shop", "orders");
  assert.match(await embed.line(), /^express-shop: express-shop on port \d+, active$/);
  assert.match((await embed.rest()).join(), /tea.*cake/);
  assert.equal((await embed.end()).code, 0);
});

test("a server with node:http", async (t) => {
  const { dataDir, start } = project(t);
  await start("http.mjs").line();
  const { session } = await connected(t, dataDir, "clock");
  assert.ok(Date.parse(text(await session.callTool("time"))) > 0);
});

test("a process manager", async (t) => {
  const { dataDir, folder, start } = project(t);
  writeFileSync(path.join(folder, "web.mjs"), 'console.log("started", process.pid); setInterval(() => {}, 1000);');
  const manager = start("process-manager.mjs", "web=node web.mjs");
  assert.match(await manager.line(), /^http:/);
  const { hub, session } = await connected(t, dataDir, "process-manager");
  const listed = async () => (await session.callTool("processes")).structuredContent.processes;
  const [{ name, pid, running }] = await listed();
  assert.deepEqual([name, running], ["web", true]);
  const steps = [];
  const onProgress = ({ message }) => steps.push(message);
  assert.equal(text(await session.callTool("restart", { name: "web" }, { onProgress })), "web runs again.");
  assert.deepEqual(steps, ["stopping", "starting"]);
  assert.notEqual((await listed())[0].pid, pid);
  const wrong = await session.callTool("stop", { name: "none" });
  assert.ok(wrong.isError && text(wrong).includes("web"));
  await session.readResource("log://web");
  assert.equal(text(await session.callTool("stop", { name: "web" })), "web is stopped.");
  if (windows) return;
  manager.child.kill("SIGINT");
  assert.equal((await manager.end()).code, 0);
  await until(hub, () => hub.instances().length === 0, "it is gone");
});

test("a Vite plugin", async (t) => {
  const { dataDir, folder, start } = project(t);
  writeFileSync(path.join(folder, "index.html"), "<!doctype html><title>test</title>");
  writeFileSync(
    path.join(folder, "serve.mjs"),
    `import { createServer } from "vite";
     import { brummer } from "./vite-plugin-brummer.mjs";
     const server = await createServer({
       configFile: false, root: ".", logLevel: "warn", server: { host: "127.0.0.1", port: 0 },
       plugins: [brummer({ name: "web", endpoint: "/__mcp" })],
     });
     await server.listen();
     console.log("listening");
     process.stdin.once("data", () => server.close().then(() => process.exit()));`,
  );
  const vite = start("serve.mjs");
  await vite.line();
  const [file] = readdirSync(path.join(dataDir, "instances"));
  const hub = await Hub.start({ dataDir });
  t.after(() => hub.close());
  const [{ name, endpoint, version }] = hub.instances();
  assert.deepEqual([name, endpoint, version], ["web", "/__mcp", "vite"]);
  vite.child.stdin.write("end\n");
  assert.equal((await vite.end()).code, 0);
  assert.ok(!existsSync(path.join(dataDir, "instances", file)));
});
