// The README's examples, as they stand in it.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Hub } from "../../../npm/brummer-hub/index.mjs";
import { directory, root, run, until, windows } from "./support.mjs";

const readme = readFileSync(path.join(root, "npm/brummer-hub/README.md"), "utf8");
const modules = path.join(root, "tests/node/node_modules");

/** A project with each example under the name that it gives itself. */
function project(t) {
  const folder = directory();
  const names = [];
  for (const [, source] of readme.matchAll(/^```js\n([^]*?)^```$/gm)) {
    const [, name] = /^\/\/ (\w+\.mjs);/.exec(source) ?? assert.fail(`an example has no name: ${source}`);
    names.push(name);
    writeFileSync(path.join(folder, name), source);
  }
  const links = { "brummer-hub": path.join(root, "npm/brummer-hub") };
  for (const name of ["@modelcontextprotocol/sdk", "@modelcontextprotocol/server-everything"]) links[name] = path.join(modules, name);
  for (const [name, from] of Object.entries(links)) {
    const to = path.join(folder, "node_modules", name);
    mkdirSync(path.dirname(to), { recursive: true });
    symlinkSync(from, to, "junction");
  }
  const dataDir = path.join(folder, "data");
  const env = { ...process.env, BRUMMER_DATA_DIR: dataDir };
  return { dataDir, names, start: (...args) => run(t, process.execPath, args, env, { cwd: folder }) };
}

test("each example runs as it stands, and ends as it should", async (t) => {
  const { dataDir, names, start } = project(t);
  assert.deepEqual(names, ["clock.mjs", "shop.mjs", "everything.mjs", "embed.mjs", "watch.mjs", "client.mjs"]);

  const watch = start("watch.mjs");
  assert.equal(await watch.line(), "there are 0");
  const [clock, shop, everything] = [start("clock.mjs"), start("shop.mjs"), start("everything.mjs")];
  assert.match(await clock.line(), /^clock: http:/);
  assert.match(await shop.line(), /^shop: http:/);
  assert.match(await everything.line(), /^everything: http:/);
  const hub = await Hub.start({ dataDir });
  t.after(() => hub.close());
  const all = () => ["clock", "shop", "everything"].every((name) => hub.instances().some((it) => it.name === name && it.state === "active"));
  await until(hub, all, "all are active");
  const { content } = await (await hub.connect("clock")).callTool("time");
  assert.ok(Date.parse(content[0].text) > 0);

  const echoed = await (await hub.connect("everything")).callTool("echo", { message: "hi" });
  assert.match(echoed.content[0].text, /hi/);

  const embed = start("embed.mjs");
  const said = (await embed.rest()).join("\n");
  assert.match(said, /^shop on port \d+: /m);
  assert.match(said, /^asking the kitchen$/m);
  assert.match(said, /^\{ ordered: 'cake' \}$/m);
  assert.match(said, /^changed: shop:\/\/orders$/m);
  assert.deepEqual(await embed.end(), { code: 0, signal: null, stderr: "" });

  const client = start("client.mjs");
  const tools = await client.rest();
  assert.ok(tools.includes("clock__time") && tools.includes("shop__order"), tools.join());
  assert.deepEqual(await client.end(), { code: 0, signal: null, stderr: "" });

  // Programs that go on until they are told to end.
  for (const program of [watch, clock, shop, everything]) assert.equal(program.child.exitCode, null);
  assert.match(await watch.line(), /^(appeared|state) (clock|shop|everything)$/);
  if (windows) return;
  watch.child.kill("SIGINT");
  assert.deepEqual(await watch.end(), { code: 0, signal: null, stderr: "" });
  for (const program of [clock, shop, everything]) {
    program.child.kill("SIGINT");
    assert.equal((await program.end()).signal, "SIGINT");
  }
  await until(hub, () => hub.instances().length === 0, "all are gone");
});
