// The script that each server is given, by a plain client of the official TypeScript SDK: straight, and through the hub.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { all, tool } from "../suite-common.mjs";
import { untilActive } from "../waiting.mjs";

/** What one request may take: dev servers compile at the first. */
const options = { timeout: 60_000 };
const client = () => new Client({ name: "zoo", version: "1.0.0" });

/** A client of the server itself, as its maker means it to be used. */
export async function straight(url, sse) {
  const it = client();
  await it.connect(sse ? new SSEClientTransport(url) : new StreamableHTTPClientTransport(url), options);
  return it;
}

/** A client of the hub, connected to the only instance. */
export async function through(hub, data, instance) {
  const it = client();
  const transport = new StdioClientTransport({ command: hub, args: ["--mcp", "--no-auto-connect", "--data-dir", data], stderr: "pipe" });
  it.log = "";
  transport.stderr.on("data", (data) => (it.log += data));
  await it.connect(transport, options);
  await untilActive(it, instance);
  const connected = await it.callTool({ name: "instances_connect", arguments: { instance_id: instance } }, undefined, options);
  if (connected.isError) throw new Error(connected.content[0].text);
  return it;
}

/** The steps, each a name and what it gives. */
export function* steps(calls) {
  yield ["tools", (it) => all((page) => it.listTools(page, options), "tools")];
  yield ["prompts", optional((it) => all((page) => it.listPrompts(page, options), "prompts"))];
  yield ["resources", optional((it) => all((page) => it.listResources(page, options), "resources"))];
  yield ["resource templates", optional((it) => all((page) => it.listResourceTemplates(page, options), "resourceTemplates"))];
  yield ["a resource", optional(firstResource)];
  yield ["a prompt", optional(firstPrompt)];
  for (const call of calls) yield [call.tool, tool(call.tool, call.arguments, options)];
  yield ["an unknown tool", tool("there-is-none-such", {}, options)];
}

/** A server without these says so by an error, or by its capabilities; through the hub the list is empty. */
const optional = (step) => async (it) => {
  try {
    return await step(it);
  } catch (error) {
    if (error.code === -32601 || /does not support/.test(error.message)) return [];
    throw error;
  }
};

async function firstResource(it) {
  const [first] = await all((page) => it.listResources(page, options), "resources");
  return first ? it.readResource({ uri: first.uri }, options) : [];
}

async function firstPrompt(it) {
  const [first] = await all((page) => it.listPrompts(page, options), "prompts");
  if (!first) return [];
  const given = Object.fromEntries((first.arguments ?? []).map(({ name }) => [name, "Ada"]));
  return it.getPrompt({ name: first.name, arguments: given }, options);
}
