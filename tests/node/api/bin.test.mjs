// The command through the package's `bin`, as a client's configuration starts it. Nodes that can replace themselves do;
// others have it as a child. To the client it is the same.
import assert from "node:assert/strict";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { test } from "node:test";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { serveInstance } from "../../../npm/brummer-hub/index.mjs";
import { directory, root, run, windows } from "./support.mjs";

const { candidates } = createRequire(import.meta.url)("../../../npm/brummer-hub/lib/platform.js");

const bin = path.join(root, "npm/brummer-hub/bin/brummer-hub.js");
/** Without the means to replace itself, a Node that has them does as one that has not. */
const withoutExecve = path.join(root, "tests/node/api/without-execve.cjs");
const newer = path.join(root, "tests/node/node_modules/node/bin", windows ? "node.exe" : "node");

const ways = [
  ["this Node", process.execPath, [bin]],
  ["a newer Node", newer, [bin]],
  ["as a child", newer, ["--require", withoutExecve, bin]],
];

for (const [name, node, args] of ways) {
  test(`${name}: arguments, output and exit codes are those of the command`, async (t) => {
    const version = run(t, node, [...args, "--version"]);
    assert.match(await version.line(), /^brummer-hub \d+\.\d+\.\d+/);
    assert.deepEqual(await version.end(), { code: 0, signal: null, stderr: "" });
    const wrong = run(t, node, [...args, "no-such-command"]);
    const { code, stderr } = await wrong.end();
    assert.equal(code, 2);
    assert.match(stderr, /no-such-command/);
  });

  test(`${name}: a client's session, and its end with stdin`, async (t) => {
    const dataDir = directory();
    const server = await serveInstance({ name: "shop", dataDir, tools: { echo: (values) => values } });
    t.after(() => server.close());
    const transport = new StdioClientTransport({
      command: node,
      args: [...args, "--mcp", "--tools", "all"],
      env: { ...process.env, BRUMMER_DATA_DIR: dataDir },
    });
    const client = new Client({ name: "test", version: "1" });
    await client.connect(transport);
    const { tools } = await client.listTools();
    assert.ok(tools.some((tool) => tool.name === "shop__echo"));
    const large = "x".repeat(1024 * 1024);
    const result = await client.callTool({ name: "shop__echo", arguments: { large } });
    assert.equal(result.structuredContent.large.length, large.length);
    await client.close();

    const piped = run(t, node, [...args, "--mcp"], { ...process.env, BRUMMER_DATA_DIR: dataDir });
    piped.child.stdin.end('{"jsonrpc":"2.0","id":1,"method":"ping"}\n');
    assert.deepEqual(JSON.parse(await piped.line()), { jsonrpc: "2.0", id: 1, result: {} });
    assert.deepEqual(await piped.end(), { code: 0, signal: null, stderr: "" });
  });

  test(`${name}: a signal ends all of it`, { skip: windows }, async (t) => {
    for (const signal of ["SIGTERM", "SIGINT"]) {
      const direct = run(t, candidates("executable")[0], ["--mcp"], await quiet());
      const through = run(t, node, [...args, "--mcp"], await quiet());
      const outcomes = [];
      for (const { child, line, end } of [direct, through]) {
        child.stdin.write('{"jsonrpc":"2.0","id":1,"method":"ping"}\n');
        await line();
        child.kill(signal);
        outcomes.push(await end());
      }
      // The pipe is closed only when the last process that has it is gone: nobody is left behind.
      assert.deepEqual(outcomes[1], outcomes[0]);
    }
  });
}

/** Runs a command on a terminal of its own, and presses Ctrl-C when it says that the script is up. */
const PTY = `import os, pty, sys
pid, terminal = pty.fork()
if pid == 0: os.execvp(sys.argv[1], sys.argv[1:])
seen, pressed = b"", False
while True:
    try: read = os.read(terminal, 65536)
    except OSError: break
    if not read: break
    seen += read
    if b"is up" in seen and not pressed: pressed = os.write(terminal, b"\\x03")
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

for (const [name, node, args] of ways) {
  test(`${name}: one Ctrl-C in a terminal ends a run with its grace`, { skip: windows }, async (t) => {
    const project = directory();
    const tidy = `process.on("SIGTERM", () => setTimeout(() => { console.log("tidied", "up"); process.exit(); }, 700));
      console.log("the script is", "up"); setInterval(() => {}, 1e6);`;
    writeFileSync(path.join(project, "tidy.js"), tidy);
    writeFileSync(path.join(project, "package.json"), JSON.stringify({ scripts: { dev: "node tidy.js" } }));
    const command = [node, ...args, "run", "dev", "--dir", project, "--port", "0"];
    const running = run(t, "python3", ["-c", PTY, ...command], await quiet());
    const said = (await running.rest()).join("\n");
    const { code, stderr } = await running.end();
    assert.match(said, /tidied up/, stderr);
    assert.equal(code, 0, said);
  });
}

test("an executable that cannot be run is an error, not an abort", { skip: windows }, async (t) => {
  const broken = path.join(directory(), "brummer-hub");
  for (const contents of ["", "no program", "#!/no/such/interpreter\n", Buffer.from("7f454c46020101000000000000000000ff", "hex")]) {
    writeFileSync(broken, contents);
    chmodSync(broken, 0o755);
    for (const [name, node, args] of ways) {
      const running = run(t, node, [...args, "--version"], { ...process.env, BRUMMER_HUB_BINARY: broken });
      const { code, signal, stderr } = await running.end();
      assert.equal(signal, null, name);
      assert.equal(code, 1, name);
      assert.ok(stderr.includes(`cannot run ${broken}`), `${name}: ${stderr}`);
    }
  }
});

async function quiet() {
  return { ...process.env, BRUMMER_DATA_DIR: directory() };
}

test("a missing executable is explained", async (t) => {
  const missing = path.join(directory(), "nothing");
  const running = run(t, process.execPath, [bin], { ...process.env, BRUMMER_HUB_BINARY: missing });
  const { code, stderr } = await running.end();
  assert.equal(code, 1);
  assert.ok(stderr.includes("BRUMMER_HUB_BINARY") && stderr.includes(missing), stderr);
  assert.ok(!existsSync(missing));
});
