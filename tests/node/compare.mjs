// Makes the same calls with the official TypeScript client twice, straight to a server and through the hub, and prints
// `{"calls":[…],"differences":[{call, direct, hub}]}`.
//
//   node compare.mjs SUITE URL INSTANCE HUB [ARGUMENT…]
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { isDeepStrictEqual } from "node:util";
import * as types from "@modelcontextprotocol/sdk/types.js";

import { everything } from "./suite-everything.mjs";
import { rmcp } from "./suite-rmcp.mjs";
import { Changing, untilActive } from "./waiting.mjs";

const suites = { everything, rmcp };
const [suite, url, instance, hub, ...hubArguments] = process.argv.slice(2);

const capabilities = {
  roots: { listChanged: true },
  sampling: {},
  elicitation: { form: {}, url: {} },
};

/** A client that answers every question in the same way and keeps what it was told. */
function client() {
  const it = new Client({ name: "compare", version: "1.0.0" }, { capabilities });
  it.told = [];
  it.roots = [{ uri: "file:///first", name: "first" }];
  it.elicitationAnswer = { action: "accept", content: {} };
  const told = new Changing();
  const tell = (message) => {
    it.told.push(message);
    told.changed();
  };
  it.fallbackNotificationHandler = async (notification) => tell(notification);
  it.setRequestHandler(types.ListRootsRequestSchema, async () => ({ roots: it.roots }));
  it.setRequestHandler(types.ElicitRequestSchema, async ({ params }) => {
    tell({ method: "elicitation/create", params });
    return it.elicitationAnswer;
  });
  it.setRequestHandler(types.CreateMessageRequestSchema, async ({ params }) => {
    tell({ method: "sampling/createMessage", params });
    return { role: "assistant", model: "test-model", content: { type: "text", text: "the model's answer" } };
  });
  /** Waits until something was told; the whole program has a time limit. */
  it.wait = (wanted) => told.until(() => it.told.find(wanted));
  return it;
}

/** What the call gives, as data: a result, or the error that it ends with. */
async function outcome(call, it) {
  it.told.length = 0;
  try {
    // A copy: what was told is forgotten before the next call.
    return { result: structuredClone((await call(it)) ?? null) };
  } catch (error) {
    return { error: { code: error.code, message: String(error.message), data: error.data } };
  }
}

/** Connects, and keeps every message as it comes in, before the client makes something of it. */
async function connect(it, transport) {
  await it.connect(transport);
  it.received = [];
  const { onmessage } = transport;
  transport.onmessage = (message, extra) => {
    it.received.push(message);
    onmessage(message, extra);
  };
}

const direct = client();
await connect(direct, new StreamableHTTPClientTransport(new URL(url)));
const through = client();
await connect(through, new StdioClientTransport({ command: hub, args: hubArguments, stderr: "inherit" }));
await untilActive(through, instance);
const connected = await through.callTool({ name: "instances_connect", arguments: { instance_id: instance } });
if (connected.isError) throw new Error(JSON.stringify(connected));

const calls = [];
const differences = [];
for (const [name, call] of Object.entries(suites[suite])) {
  calls.push(name);
  const expected = await outcome(call, direct);
  const actual = await outcome(call, through);
  if (!isDeepStrictEqual(expected, actual)) differences.push({ call: name, direct: expected, hub: actual });
}
await direct.close();
await through.close();
process.stdout.write(JSON.stringify({ calls, differences }));
process.exit(0);
