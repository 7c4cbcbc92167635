// What registries and clients are told of the package: `server.json`, and the manifest of the bundle.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import Ajv from "ajv";
import addFormats from "ajv-formats";
import { directory, readJson, root, windows } from "./support.mjs";

const execute = promisify(execFile);
const require = createRequire(import.meta.url);
const { candidates } = require("../../../npm/brummer-hub/lib/platform.js");
const mcpb = path.join(root, "tests/node/node_modules/@anthropic-ai/mcpb/dist/cli/cli.js");
const server = readJson(path.join(root, "server.json"));
const manifest = readJson(path.join(root, "npm/mcpb/manifest.json"));
const main = readJson(path.join(root, "npm/brummer-hub/package.json"));

test("server.json names the package, which names the server", () => {
  // The registry's rules beyond the schema: the npm package must say whose it is, and versions must be exact.
  assert.equal(main.mcpName, server.name);
  assert.match(server.name, /^io\.github\.[a-z0-9-]+\/brummer-hub$/);
  const [npm] = server.packages;
  assert.deepEqual([npm.registryType, npm.identifier], ["npm", main.name]);
  for (const { version } of [server, npm, manifest]) assert.equal(version, main.version);
  assert.ok(server.description.length <= 100);
  assert.deepEqual(
    npm.packageArguments.map(({ name, value }) => name ?? value),
    ["--mcp", "--tools"],
  );
});

/** What a schema says against a text, or nothing. */
function mistakes(schema, value) {
  const ajv = addFormats(new Ajv({ strict: false, allErrors: true }));
  return ajv.validate(schema, value) ? "" : ajv.errorsText();
}

test("server.json is what the registry asks for, and what it would refuse is refused here", () => {
  const schema = readJson(path.join(root, "tests/schema/server-json.json"));
  assert.equal(mistakes(schema, server), "");
  const wrong = {
    "a range of versions": (it) => (it.packages[0].version = "^0.1.0"),
    "no version": (it) => delete it.version,
    "a description that is too long": (it) => (it.description = "x".repeat(101)),
    "a name without an owner": (it) => (it.name = "brummer-hub"),
    "a transport without a type": (it) => delete it.packages[0].transport.type,
    "a positional argument without a value": (it) => delete it.packages[0].packageArguments[0].value,
    "a named argument without a name": (it) => delete it.packages[0].packageArguments[1].name,
    "an unknown format": (it) => (it.packages[0].environmentVariables[0].format = "directory"),
    "a repository without a source": (it) => delete it.repository.source,
    "a member that is misspelt": (it) => (it.packages[0].runtimehint = "npx"),
  };
  for (const [what, spoil] of Object.entries(wrong)) {
    const spoilt = structuredClone(server);
    spoil(spoilt);
    assert.notEqual(mistakes(schema, spoilt), "", what);
  }
});

test("server.json is what its schema says", async (t) => {
  const response = await fetch(server.$schema).catch(() => undefined);
  if (!response?.ok) return t.skip(`${server.$schema} cannot be had`);
  assert.equal(mistakes(await response.json(), server), "");
});

test("the bundle's manifest is what its schema says, and its command runs", async () => {
  const folder = path.join(directory(), "bundle");
  const binary = `brummer-hub${windows ? ".exe" : ""}`;
  mkdirSync(path.join(folder, "bin"), { recursive: true });
  copyFileSync(path.join(root, "npm/mcpb/manifest.json"), path.join(folder, "manifest.json"));
  copyFileSync(candidates("executable")[0], path.join(folder, "bin", binary));
  chmodSync(path.join(folder, "bin", binary), 0o755);
  const { stdout } = await execute(process.execPath, [mcpb, "validate", path.join(folder, "manifest.json")]);
  assert.match(stdout, /passes/);

  // As a client does: the variables filled in.
  const { command, args, platform_overrides: overrides } = manifest.server.mcp_config;
  const filled = (value) =>
    value.replace("${__dirname}", folder).replace("${user_config.tools}", manifest.user_config.tools.default);
  const client = new Client({ name: "test", version: "1" });
  const env = { ...process.env, BRUMMER_DATA_DIR: path.join(folder, "data") };
  const transport = { command: filled(overrides[process.platform]?.command ?? command), args: args.map(filled), env };
  await client.connect(new StdioClientTransport(transport));
  const { tools } = await client.listTools();
  assert.deepEqual(
    tools.map(({ name }) => name),
    manifest.tools.map(({ name }) => name),
  );
  await client.close();

  const packed = path.join(folder, "..", "brummer-hub.mcpb");
  const entries = await execute(process.execPath, [mcpb, "pack", folder, packed]);
  assert.match(entries.stdout, /total files: 2/);
});
