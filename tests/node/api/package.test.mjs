// The packages as npm packs them, in an empty project outside of the repository.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { checkPacked, filesOf, filesOfMain, stage } from "../../../npm/stage.mjs";
import { readJson, root, windows } from "./support.mjs";

const execute = promisify(execFile);
const require = createRequire(import.meta.url);
const { candidates, packages, PLATFORMS } = require("../../../npm/brummer-hub/lib/platform.js");
const modules = path.join(root, "tests/node/node_modules");

let place;
let project;
let tarballs;

const npm = (args, cwd) => execute("npm", args, { cwd, shell: windows, maxBuffer: 2 ** 26 });
const node = (args, env = {}) => execute(process.execPath, args, { cwd: project, env: { ...process.env, ...env } });

async function pack(folder) {
  const { stdout } = await npm(["pack", "--json", "--pack-destination", place], folder);
  const parsed = JSON.parse(stdout);
  // Newer versions of npm answer with an object by name.
  const [packed] = Array.isArray(parsed) ? parsed : Object.values(parsed);
  return { ...packed, file: path.join(place, packed.filename.replace("@", "").replace("/", "-")) };
}

/** The platform's package with what cargo built, as the release puts it together. */
function staged() {
  const platform = packages()[0].split("/")[1];
  const [[addon], [executable]] = [candidates("addon"), candidates("executable")];
  return stage(platform, { addon, executable }, path.join(place, platform));
}

before(async () => {
  place = mkdtempSync(path.join(tmpdir(), "brummer-package-"));
  tarballs = [await pack(path.join(root, "npm/brummer-hub")), await pack(staged())];
  project = path.join(place, "project");
  mkdirSync(project);
  const dependencies = Object.fromEntries(tarballs.map(({ name, file }) => [name, `file:${file}`]));
  writeFileSync(path.join(project, "package.json"), JSON.stringify({ name: "empty", private: true, dependencies }));
  // The other platforms' packages are optional; whether npm looks for them or not, it installs.
  await npm(["install", "--offline", "--no-audit", "--no-fund", "--ignore-scripts"], project);
  // From here on nothing is to be found in the repository.
  for (const name of ["CARGO_TARGET_DIR", "BRUMMER_HUB_ADDON", "BRUMMER_HUB_BINARY"]) delete process.env[name];
});

after(() => rmSync(place, { recursive: true, force: true, maxRetries: 5 }));

test("the packages have what they need, and nothing else", () => {
  const [main, platform] = tarballs.map(({ files }) => files.map((file) => file.path).sort());
  assert.deepEqual(main, filesOfMain().sort());
  assert.ok(main.includes("index.d.mts") && main.includes("lib/hub.js"), main.join());
  const key = packages()[0].split("/")[1];
  assert.deepEqual(platform, filesOf(key).sort());
  // As the release does it.
  checkPacked(path.join(root, "npm/brummer-hub"), filesOfMain());
  assert.throws(() => checkPacked(path.join(root, "npm/platforms", key), filesOf(key)), /would publish/);
  if (!windows) {
    const modes = tarballs.map(({ files }) => files.find((file) => file.path.startsWith("bin/")).mode & 0o111);
    assert.deepEqual(modes, [0o111, 0o111]);
  }
});

test("every platform has its package, in step with the main one", () => {
  const main = readJson(path.join(root, "npm/brummer-hub/package.json"));
  const folders = readdirSync(path.join(root, "npm/platforms")).sort();
  assert.deepEqual(folders, PLATFORMS);
  assert.deepEqual(Object.keys(main.optionalDependencies), PLATFORMS.map((key) => `@brummer-hub/${key}`));
  for (const key of folders) {
    const { name, version, os, cpu, libc, files, engines } = readJson(path.join(root, "npm/platforms", key, "package.json"));
    const [system, processor, flavour] = key.split("-");
    assert.equal(name, `@brummer-hub/${key}`);
    assert.equal(version, main.version);
    assert.equal(main.optionalDependencies[name], version);
    assert.deepEqual([os, cpu], [[system], [processor]]);
    assert.deepEqual(libc, flavour && [flavour === "gnu" ? "glibc" : "musl"]);
    assert.deepEqual(files, ["brummer-hub.node", `bin/brummer-hub${system === "win32" ? ".exe" : ""}`, "THIRD_PARTY.md"]);
    assert.deepEqual(engines, main.engines);
  }
});

const USE = `
  const server = await serveInstance({ name: "shop", dataDir: process.env.DATA, tools: { text: () => "hello" } });
  const hub = await Hub.start({ dataDir: process.env.DATA });
  const session = await hub.connect("shop");
  console.log((await session.callTool("text")).content[0].text);
  await hub.close();
  await server.close();`;

test("it is imported by ESM and by CommonJS, and both are one", async () => {
  const sources = {
    "use.mjs": `import { Hub, serveInstance } from "brummer-hub";${USE}`,
    "use.cjs": `const { Hub, serveInstance } = require("brummer-hub");(async () => {${USE}})();`,
    "one.mjs": `
      import { createRequire } from "node:module";
      import * as esm from "brummer-hub";
      const cjs = createRequire(import.meta.url)("brummer-hub");
      for (const name of Object.keys(cjs)) if (esm[name] !== cjs[name]) throw new Error(name);
      if (Object.keys(esm).sort().join() !== Object.keys(cjs).sort().join()) throw new Error("other names");
      console.log("hello");`,
  };
  for (const [name, source] of Object.entries(sources)) {
    writeFileSync(path.join(project, name), source);
    const { stdout } = await node([name], { DATA: path.join(place, "data") });
    assert.equal(stdout, "hello\n");
  }
});

test("a real client runs the command from its configuration", async () => {
  const name = windows ? "brummer-hub.cmd" : "brummer-hub";
  const configuration = {
    mcpServers: { "brummer-hub": { command: path.join(project, "node_modules/.bin", name), args: ["--mcp"] } },
  };
  const client = new Client({ name: "test", version: "1" });
  const env = { ...process.env, BRUMMER_DATA_DIR: path.join(place, "data") };
  await client.connect(new StdioClientTransport({ ...configuration.mcpServers["brummer-hub"], env, cwd: project }));
  const { structuredContent } = await client.callTool({ name: "instances_list", arguments: {} });
  assert.deepEqual(structuredContent.instances, []);
  await client.close();
});

test("npx finds it", { skip: windows }, async () => {
  const { stdout } = await execute("npx", ["--offline", "brummer-hub", "--version"], { cwd: project });
  assert.match(stdout, /^brummer-hub \d/);
});

test("without the platform's package the reason is told", async () => {
  const [name] = tarballs.map((tarball) => tarball.name).slice(1);
  const [there, away] = [path.join(project, "node_modules", name), path.join(place, "away")];
  cpSync(there, away, { recursive: true });
  rmSync(there, { recursive: true });
  try {
    const source = 'require("brummer-hub").Hub.start().catch(({ code, message }) => console.log(code, message));';
    const { stdout } = await node(["--eval", source]);
    assert.match(stdout, /^ERR_BH_UNSUPPORTED .*@brummer-hub.*optional/);
    const bin = path.join(project, "node_modules/brummer-hub/bin/brummer-hub.js");
    await assert.rejects(node([bin, "--version"]), ({ code, stderr }) => code === 1 && stderr.includes(name));
  } finally {
    cpSync(away, there, { recursive: true });
  }
});

test("its types compile in strict mode, as ESM and as CommonJS", async () => {
  const types = path.join(project, "node_modules/@types");
  mkdirSync(types, { recursive: true });
  for (const name of ["@types/node", "undici-types"]) link(name);
  for (const name of ["@modelcontextprotocol", "zod"]) link(name);
  const strict = {
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    target: "es2023",
    lib: ["es2023", "esnext.disposable"],
    types: ["node"],
    skipLibCheck: false,
  };
  const source = path.join(root, "tests/node/api/types.mts");
  const ways = { "types.mts": "nodenext", "types.cts": "nodenext", "types.ts": "bundler" };
  for (const [file, resolution] of Object.entries(ways)) {
    copyFileSync(source, path.join(project, file));
    const compilerOptions = {
      ...strict,
      moduleResolution: resolution,
      module: resolution === "bundler" ? "esnext" : "nodenext",
      // The SDK's own declarations are not ours to check.
      skipLibCheck: true,
    };
    writeFileSync(path.join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: [file] }));
    await compile();
  }
  // Our declarations are.
  const own = { compilerOptions: { ...strict, module: "nodenext" }, files: ["own.mts"] };
  writeFileSync(path.join(project, "own.mts"), 'export * from "brummer-hub";\n');
  writeFileSync(path.join(project, "tsconfig.json"), JSON.stringify(own));
  await compile();
});

async function compile() {
  const tsc = path.join(modules, "typescript/bin/tsc");
  await execute(process.execPath, [tsc, "--project", "."], { cwd: project }).catch((error) => assert.fail(error.stdout));
}

function link(name) {
  const from = path.join(modules, name);
  const to = path.join(project, "node_modules", name);
  mkdirSync(path.dirname(to), { recursive: true });
  if (existsSync(from) && !existsSync(to)) symlinkSync(from, to, "junction");
}

test("publint and arethetypeswrong find nothing", async () => {
  const [{ file }] = tarballs;
  const publint = path.join(modules, "publint/src/cli.js");
  const checked = await execute(process.execPath, [publint, "run", file, "--strict"], { cwd: place });
  assert.match(checked.stdout, /All good/);
  const attw = path.join(modules, "@arethetypeswrong/cli/dist/index.js");
  const types = await execute(process.execPath, [attw, file, "--format", "json", "--no-definitely-typed"], { cwd: place });
  assert.deepEqual(JSON.parse(types.stdout).problems ?? {}, {});
});
