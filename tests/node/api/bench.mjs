// What Node costs: starting through the package's `bin` against the executable and Node's own start, and calls through the
// addon against the same calls through stdio.
//
//   cargo build --release -p brummer-hub-node -p brummer-cli && node tests/node/api/bench.mjs
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { Hub, HubTransport, serveInstance } from "../../../npm/brummer-hub/index.mjs";
import { root } from "./support.mjs";

const { candidates } = createRequire(import.meta.url)("../../../npm/brummer-hub/lib/platform.js");
const [executable] = candidates("executable");
const bin = path.join(root, "npm/brummer-hub/bin/brummer-hub.js");
const newer = path.join(root, "tests/node/node_modules/node/bin/node");
const dataDir = mkdtempSync(path.join(tmpdir(), "brummer-bench-"));
const env = { ...process.env, BRUMMER_DATA_DIR: dataDir };

const INITIALIZE = `${JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "bench", version: "1" } },
})}\n`;

const median = (values) => values.sort((one, other) => one - other)[Math.floor(values.length / 2)];

/** Milliseconds from the start of a process to the first byte of its answer to `initialize`. */
async function start(command, args) {
  const began = performance.now();
  const child = spawn(command, args, { env, stdio: ["pipe", "pipe", "ignore"] });
  child.stdin.write(INITIALIZE);
  await once(child.stdout, "data");
  const took = performance.now() - began;
  child.stdin.end();
  await once(child, "close");
  return took;
}

/** Milliseconds from the start to the end of a Node that does nothing. */
async function nothing(node) {
  const began = performance.now();
  await once(spawn(node, ["-e", "0"], { stdio: "ignore" }), "close");
  return performance.now() - began;
}

async function starts(rounds) {
  const ways = {
    "the executable": () => start(executable, ["--mcp"]),
    [`node -e 0, Node ${process.version}`]: () => nothing(process.execPath),
    [`bin, Node ${process.version}`]: () => start(process.execPath, [bin, "--mcp"]),
    "node -e 0, newer Node": () => nothing(newer),
    "bin, newer Node": () => start(newer, [bin, "--mcp"]),
  };
  const took = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
  // One after the other, so that all have the same machine.
  for (let round = 0; round < rounds; round++) {
    for (const [name, way] of Object.entries(ways)) took[name].push(await way());
  }
  for (const [name, values] of Object.entries(took)) console.log(`start: ${name}: ${median(values).toFixed(1)} ms`);
}

async function calls(rounds) {
  const server = await serveInstance({ name: "shop", dataDir, tools: { echo: (args) => args } });
  const hub = await Hub.start({ dataDir });
  const session = await hub.connect("shop");
  const client = async (transport) => {
    const made = new Client({ name: "bench", version: "1" });
    await made.connect(transport);
    await made.callTool({ name: "instances_connect", arguments: { instance_id: "shop" } });
    return made;
  };
  const embedded = await client(new HubTransport(hub));
  const stdio = await client(new StdioClientTransport({ command: executable, args: ["--mcp"], env }));
  const call = { name: "echo", arguments: { a: 1 } };
  const ways = {
    "Session, addon": () => session.callTool("echo", { a: 1 }),
    "official client, addon": () => embedded.callTool(call),
    "official client, stdio": () => stdio.callTool(call),
  };
  const took = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
  for (let round = -50; round < rounds; round++) {
    for (const [name, way] of Object.entries(ways)) {
      const began = performance.now();
      await way();
      if (round >= 0) took[name].push(performance.now() - began);
    }
  }
  for (const [name, values] of Object.entries(took)) console.log(`call: ${name}: ${(median(values) * 1000).toFixed(0)} µs`);
  await Promise.all([embedded.close(), stdio.close()]);
  await hub.close();
  await server.close();
}

try {
  console.log(executable, candidates("addon")[0]);
  await starts(30);
  await calls(2000);
} finally {
  rmSync(dataDir, { recursive: true, force: true });
}
