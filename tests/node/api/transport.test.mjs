// The official clients, version 1 and version 2 of the SDK, through an embedded hub.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client as ClientV2 } from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { Hub, HubTransport, serveInstance } from "../../../npm/brummer-hub/index.mjs";
import { deferred, directory, within } from "./support.mjs";

async function shop(t) {
  const dataDir = directory();
  const waiting = deferred();
  const cancelled = deferred();
  const server = await serveInstance({
    name: "shop",
    dataDir,
    tools: {
      echo: (args) => args,
      steps: (_args, { progress }) => {
        progress(1, 2);
        progress(2, 2);
        return "done";
      },
      wait: (_args, { signal }) =>
        new Promise((_, reject) => {
          waiting.resolve();
          signal.addEventListener("abort", () => {
            cancelled.resolve();
            reject(signal.reason);
          });
        }),
    },
    resources: { "note://one": () => "One" },
    prompts: { greet: () => "Hello" },
  });
  t.after(() => server.close());
  const hub = await Hub.start({ dataDir });
  t.after(() => hub.close());
  return { cancelled, dataDir, hub, server, waiting };
}

const clients = {
  "SDK 1": () => new ClientV1({ name: "test", version: "1" }),
  "SDK 2": () => new ClientV2({ name: "test", version: "1" }),
  "SDK 2 without a handshake": () =>
    new ClientV2({ name: "test", version: "1" }, { versionNegotiation: { mode: { pin: "2026-07-28" } } }),
};

for (const [name, make] of Object.entries(clients)) {
  test(`${name}: tools, resources, prompts, progress and cancellation`, async (t) => {
    const { cancelled, hub, waiting } = await shop(t);
    const client = make();
    const errors = [];
    client.onerror = (error) => errors.push(error);
    await client.connect(new HubTransport(hub, { tools: "all" }));
    assert.equal(client.getServerVersion().name, "brummer-hub");
    const { tools } = await client.listTools();
    const names = tools.map((tool) => tool.name);
    assert.ok(names.includes("instances_list") && names.includes("shop__echo"), names.join());
    const result = await client.callTool({ name: "shop__echo", arguments: { a: [1] } });
    assert.deepEqual(result.structuredContent, { a: [1] });

    const steps = [];
    const stepped = { name: "shop__steps", arguments: {} };
    const onprogress = ({ progress }) => steps.push(progress);
    if (name === "SDK 1") await client.callTool(stepped, undefined, { onprogress });
    else await client.callTool(stepped, { onprogress });
    assert.deepEqual(steps, [1, 2]);

    const controller = new AbortController();
    const wait = { name: "shop__wait", arguments: {} };
    const options = { signal: controller.signal };
    const call = name === "SDK 1" ? client.callTool(wait, undefined, options) : client.callTool(wait, options);
    const outcome = assert.rejects(call);
    await within(waiting.promise, "the call runs");
    controller.abort();
    await outcome;
    await within(cancelled.promise, "the handler hears of it");

    const { resources } = await client.listResources();
    assert.ok(resources.some(({ uri }) => uri === "brummer://instances"));
    await client.close();
    assert.deepEqual(errors, []);
  });

  test(`${name}: the hub's end is the transport's`, async (t) => {
    const { hub } = await shop(t);
    const client = make();
    const closed = deferred();
    client.onclose = closed.resolve;
    await client.connect(new HubTransport(hub));
    await hub.close();
    await within(closed.promise, "the client is closed");
    await assert.rejects(client.listTools());
  });
}

test("a transport is started once, and sends only then", async (t) => {
  const { hub } = await shop(t);
  const transport = new HubTransport(hub, { autoConnect: false });
  await assert.rejects(transport.send({ jsonrpc: "2.0", method: "x" }), { code: "ERR_BH_CLOSED" });
  await transport.start();
  await assert.rejects(transport.start(), { code: "ERR_BH_INVALID_ARGUMENT" });
  await transport.close();
  await assert.rejects(transport.send({ jsonrpc: "2.0", method: "x" }), { code: "ERR_BH_CLOSED" });
  await transport.close();
  assert.throws(() => new HubTransport({}), TypeError);
  assert.throws(() => new HubTransport(hub, { tool: "all" }), { code: "ERR_BH_INVALID_ARGUMENT" });
  await assert.rejects(new HubTransport(hub, { tools: "some" }).start(), { code: "ERR_BH_INVALID_ARGUMENT" });
});

test("a transport takes a message when the hub does", async (t) => {
  const { hub } = await shop(t);
  const transport = new HubTransport(hub, { autoConnect: false });
  const pings = 2_000;
  const answered = deferred();
  let answers = 0;
  transport.onmessage = ({ result }) => result && ++answers === pings && answered.resolve();
  await transport.start();
  const sent = Array.from({ length: pings }, (_, id) => transport.send({ jsonrpc: "2.0", id, method: "ping" }));
  await within(Promise.all(sent), "all are taken");
  await within(answered.promise, "all are answered");
  // Those that wait for their turn are not left waiting by the end.
  const last = Array.from({ length: pings }, (_, id) => transport.send({ jsonrpc: "2.0", id, method: "ping" }));
  await transport.close();
  await within(Promise.all(last), "nobody waits for ever");
});

test("a thousand requests at a time are all answered", async (t) => {
  const { hub } = await shop(t);
  const client = clients["SDK 1"]();
  await client.connect(new HubTransport(hub, { tools: "all" }));
  const calls = Array.from({ length: 200 }, (_, n) => client.callTool({ name: "shop__echo", arguments: { n } }));
  const pings = Array.from({ length: 800 }, () => client.ping());
  const results = await within(Promise.all(calls), "the answers");
  assert.deepEqual(
    results.map(({ structuredContent }) => structuredContent.n),
    results.map((_, n) => n),
  );
  await Promise.all(pings);
  await client.close();
});
