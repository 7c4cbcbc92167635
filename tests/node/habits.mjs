// A plain client of the official SDK, as `tests/e2e/habits.rs` asks for it: each line of stdin is one server and one message,
// `{"id", "url", "message", "modern"}`; each line of stdout what became of it, `{"id", "outcomes": [opening, step, after]}`.
// What has no handshake is asked by a client of version 2, which finds that out, everything else by one of version 1.
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { Client as ClientV2, ProtocolError, SdkError, StreamableHTTPClientTransport as HttpV2 } from "@modelcontextprotocol/client";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ListRootsRequestSchema, LoggingMessageNotificationSchema } from "@modelcontextprotocol/sdk/types.js";

/** What one request may take. Nothing in the script is slow but what never comes. */
const LIMIT_MS = 4_000;
/** How long a notification is waited for. */
const HEARD_MS = 1_500;
/** Until a call is cancelled: it has reached the server by then. */
const CANCEL_MS = 200;
const options = { timeout: LIMIT_MS };
const echo = (text) => (it) => it.call({ name: "echo", arguments: { text } });

const STEPS = {
  "server/discover": echo("step"),
  initialize: echo("step"),
  "notifications/initialized": echo("step"),
  GET: async (it) => {
    await echo("step")(it);
    return { heard: await Promise.race([it.heard, sleep(HEARD_MS, false)]) };
  },
  ping: ({ client }) => client.ping(options),
  "subscriptions/listen": echo("step"),
  "tools/list": ({ client }) => client.listTools(undefined, options),
  "tools/call": echo("step"),
  "resources/list": ({ client }) => client.listResources(undefined, options),
  "resources/templates/list": ({ client }) => client.listResourceTemplates(undefined, options),
  "resources/read": ({ client }) => client.readResource({ uri: "plain://one" }, options),
  "resources/subscribe": ({ client }) => client.subscribeResource({ uri: "plain://one" }, options),
  "resources/unsubscribe": async ({ client }) => {
    await client.subscribeResource({ uri: "plain://one" }, options);
    return client.unsubscribeResource({ uri: "plain://one" }, options);
  },
  "prompts/list": ({ client }) => client.listPrompts(undefined, options),
  "prompts/get": ({ client }) => client.getPrompt({ name: "greet", arguments: { whom: "Ada" } }, options),
  "completion/complete": ({ client }) =>
    client.complete({ ref: { type: "ref/prompt", name: "greet" }, argument: { name: "whom", value: "A" } }, options),
  "logging/setLevel": ({ client }) => client.setLoggingLevel("info", options),
  "notifications/roots/list_changed": async ({ client }) => {
    await client.sendRootsListChanged();
    return {};
  },
  "notifications/cancelled": async ({ client }) => {
    const cancelling = new AbortController();
    const call = client.callTool({ name: "hang", arguments: {} }, undefined, { ...options, signal: cancelling.signal });
    call.catch(() => {});
    await sleep(CANCEL_MS);
    cancelling.abort();
    return {};
  },
  "a response": ({ call }) => call({ name: "ask", arguments: { text: "step" } }),
  DELETE: async ({ transport }) => {
    await transport.terminateSession?.();
    return {};
  },
};

/** Half an emoji is read by nobody but JavaScript. */
const wellFormed = (_, value) => (typeof value === "string" ? value.toWellFormed() : value);

/** Failures of version 2 that version 1 has, too. */
const WORDS = { REQUEST_TIMEOUT: "timeout", CONNECTION_CLOSED: "closed", INVALID_RESULT: "invalid" };

/** What an error is, in words that do not change from run to run. */
function failure(error) {
  const { code, message = "" } = error;
  if (error instanceof ProtocolError) return { error: [code, message] };
  if (error instanceof SdkError) return error.data?.status ? `http ${error.data.status}` : WORDS[code] ?? code;
  if (code === -32001 && /timed out/.test(message)) return "timeout";
  if (code === -32000 && /Connection closed/.test(message)) return "closed";
  if (error.name === "McpError") return { error: [code, message.replace(/^MCP error -?[\d.]+: /, "")] };
  if (/Streamable HTTP error|SSE error/.test(message) || error.constructor?.name?.match(/StreamableHTTPError|SseError/)) {
    return code > 0 ? `http ${code}` : "type";
  }
  if (/HTTP (\d+)/.test(message)) return `http ${message.match(/HTTP (\d+)/)[1]}`;
  if (error.name === "ZodError" || error.issues) return "invalid";
  if (error instanceof SyntaxError) return "no JSON";
  if (error instanceof TypeError) return "closed";
  return `error: ${message.slice(0, 80).replaceAll(/:\d+/g, ":PORT")}`;
}

const outcome = (promise) =>
  promise.then(
    (result) => ({ result: JSON.parse(JSON.stringify(result ?? {})) }),
    failure,
  );

/** The client for a server, not connected yet. */
function clientOf(url, modern) {
  const capabilities = { roots: { listChanged: true } };
  if (modern) {
    const client = new ClientV2({ name: "habits", version: "1.0.0" }, { capabilities, versionNegotiation: { mode: "auto" } });
    return { client, transport: new HttpV2(new URL(url)), call: (params) => client.callTool(params, options) };
  }
  const client = new Client({ name: "habits", version: "1.0.0" }, { capabilities });
  client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: "file:///here" }] }));
  const heard = new Promise((resolve) =>
    client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => params.data === "on the stream" && resolve(true)),
  );
  const sse = new URL(url).pathname === "/sse";
  const transport = sse ? new SSEClientTransport(new URL(url)) : new StreamableHTTPClientTransport(new URL(url));
  return { client, transport, heard, call: (params) => client.callTool(params, undefined, options) };
}

async function run({ url, message, modern }) {
  const it = clientOf(url, modern);
  const { client, transport } = it;
  const late = (what) => Promise.race([what, sleep(LIMIT_MS * 2).then(() => Promise.reject({ code: -32001, message: "timed out" }))]);
  const opened = await outcome(late(client.connect(transport, options).then(() => ({}))));
  if (!opened.result) {
    client.close().catch(() => {});
    return [opened, "-", "-"];
  }
  const step = () => outcome(late(STEPS[message](it)));
  const after = () => outcome(late(echo("after")(it)));
  let outcomes;
  if (message === "DELETE") {
    const last = await after();
    outcomes = [opened, await step(), last];
  } else {
    outcomes = [opened, await step(), await after()];
  }
  client.close().catch(() => {});
  return outcomes;
}

process.on("unhandledRejection", () => {});
const running = [];
for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  running.push(run(asked).then((outcomes) => console.log(JSON.stringify({ id: asked.id, outcomes }, wellFormed))));
}
await Promise.all(running);
process.exit(0);
