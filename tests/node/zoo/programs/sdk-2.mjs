// The second generation of the TypeScript SDK: its handler for both eras.
import { toNodeHandler } from "@modelcontextprotocol/node";
import { McpServer, createMcpHandler } from "@modelcontextprotocol/server";
import { createServer } from "node:http";
import { z } from "zod";

function server() {
  const it = new McpServer({ name: "zoo", version: "1.0.0" });
  const input = z.object({ a: z.number(), b: z.number() });
  it.registerTool("add", { description: "Adds two numbers.", inputSchema: input }, ({ a, b }) => ({ content: [{ type: "text", text: `${a + b}` }] }));
  it.registerResource("note", "zoo://note", {}, (uri) => ({ contents: [{ uri: uri.href, text: "a note" }] }));
  return it;
}
const handle = toNodeHandler(createMcpHandler(server));
createServer((request, response) => handle(request, response)).listen(Number(process.argv[2]), "127.0.0.1");
