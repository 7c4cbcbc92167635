// FastMCP for TypeScript: `node fastmcp-node.mjs PORT [stateless]`.
import { FastMCP } from "fastmcp";
import { z } from "zod";

const server = new FastMCP({ name: "zoo", version: "1.0.0" });
server.addTool({
  name: "add",
  description: "Adds two numbers.",
  parameters: z.object({ a: z.number(), b: z.number() }),
  execute: async ({ a, b }) => `${a + b}`,
});
const [port, mode] = process.argv.slice(2);
await server.start({ transportType: "httpStream", httpStream: { port: Number(port), host: "127.0.0.1", stateless: mode === "stateless" } });
