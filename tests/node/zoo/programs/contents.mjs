// What the servers on the TypeScript SDK of the first generation offer: two tools, a resource and a prompt.
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { z } from "zod";

export const port = Number(process.argv[2]);
export const mode = process.argv[3];

export function server() {
  const it = new McpServer({ name: "zoo", version: "1.0.0" });
  it.tool("add", "Adds two numbers.", { a: z.number(), b: z.number() }, async ({ a, b }) => ({ content: [{ type: "text", text: `${a + b}` }] }));
  it.tool("fail", "Fails.", async () => {
    throw new Error("as asked");
  });
  it.resource("note", "zoo://note", async (uri) => ({ contents: [{ uri: uri.href, text: "a note" }] }));
  it.prompt("hello", { who: z.string() }, ({ who }) => ({ messages: [{ role: "user", content: { type: "text", text: `Hello, ${who}.` } }] }));
  return it;
}
