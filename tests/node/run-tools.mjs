// Calls every tool of a run with the official client, which checks each answer against the tool's output schema.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const client = new Client({ name: "run-tools", version: "1.0.0" });
const [, , url, token] = process.argv;
const requestInit = { headers: { authorization: `Bearer ${token}` } };
await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }));
const { tools } = await client.listTools();

const calls = [
  ["scripts_list", {}],
  ["scripts_run", { name: "talk" }],
  ["scripts_run", { name: "talk" }],
  ["wait_until", { log: "TypeError: boom", processId: "talk" }],
  ["wait_until", { log: "never", timeoutSeconds: 0 }],
  ["logs_search", { query: "o" }],
  ["logs_tail", { limit: 1 }],
  ["logs_stream", { follow: false }],
  ["logs_stream", { seconds: 0 }],
  ["errors_list", {}],
  ["errors_list", { resolved: true }],
  ["wait_until", { clean: "talk", timeoutSeconds: 0 }],
  ["urls_list", { all: true }],
  ["scripts_status", {}],
  ["scripts_status", { name: "other" }],
  ["scripts_restart", { processId: "talk" }],
  ["scripts_input", { processId: "talk", text: "y" }],
  ["scripts_stop", { processId: "talk" }],
  ["wait_until", { exit: "talk" }],
];
const answered = [];
for (const [name, args] of calls) {
  const answer = await client.callTool({ name, arguments: args });
  if (answer.isError || answer.structuredContent === undefined) {
    throw new Error(`${name} ${JSON.stringify(args)}: ${JSON.stringify(answer)}`);
  }
  answered.push(name);
}
await client.close();
console.log(JSON.stringify({ tools: tools.map(({ name }) => name), answered: [...new Set(answered)] }));
