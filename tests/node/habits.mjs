// A plain client of the official SDK, as `tests/e2e/habits.rs` asks for it: each line of stdin is one server and one message,
// `{"id", "url", "message"}`; each line of stdout what became of it, `{"id", "outcomes": [opening, step, after]}`.
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
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
const echo = (text) => (it) => it.client.callTool({ name: "echo", arguments: { text } }, undefined, options);

const STEPS = {
  "server/discover": echo("step"),
  initialize: echo("step"),
  "notifications/initialized": echo("step"),
  GET: async (it) => {
    await echo("step")(it);
    return { heard: await Promise.race([it.heard, sleep(HEARD_MS, false)]) };
  },
  ping: ({ client }) => client.ping(options),
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
  "a response": ({ client }) => client.callTool({ name: "ask", arguments: { text: "step" } }, undefined, options),
  DELETE: async ({ transport }) => {
    await transport.terminateSession?.();
    return {};
  },
};

/** What an error is, in words that do not change from run to run. */
function failure(error) {
  const { code, message = "" } = error;
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

async function run({ url, message }) {
  const client = new Client({ name: "habits", version: "1.0.0" }, { capabilities: { roots: { listChanged: true } } });
  client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: "file:///here" }] }));
  let hear;
  const heard = new Promise((resolve) => (hear = resolve));
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => params.data === "on the stream" && hear(true));
  const sse = new URL(url).pathname === "/sse";
  const transport = sse ? new SSEClientTransport(new URL(url)) : new StreamableHTTPClientTransport(new URL(url));
  const it = { client, transport, heard };
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
  running.push(run(asked).then((outcomes) => console.log(JSON.stringify({ id: asked.id, outcomes }))));
}
await Promise.all(running);
process.exit(0);
