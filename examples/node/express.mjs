// An MCP server with Express and the official SDK, which announces itself: the five lines at the end.
//
//   npm install brummer-hub express @modelcontextprotocol/sdk zod && node express.mjs
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { register } from "brummer-hub";
import express from "express";
import { z } from "zod";

const orders = [{ id: 1, item: "tea" }];

function shop() {
  const server = new McpServer({ name: "shop", version: "1.0.0" });
  server.registerTool("orders", { description: "Lists the open orders" }, () => ({
    content: [{ type: "text", text: JSON.stringify(orders) }],
  }));
  const inputSchema = { item: z.string() };
  server.registerTool("order", { description: "Orders something", inputSchema }, ({ item }) => {
    orders.push({ id: orders.length + 1, item });
    return { content: [{ type: "text", text: `Ordered ${item}.` }] };
  });
  return server;
}

const app = express();
app.use(express.json());
app.all("/mcp", async (request, response) => {
  // Without sessions: each request stands for itself.
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
  response.on("close", () => transport.close());
  await shop().connect(transport);
  await transport.handleRequest(request, response, request.body);
});

const server = app.listen(0, "127.0.0.1", () => {
  const { port } = server.address();
  register({ port, name: "express-shop" });
  console.log(`http://127.0.0.1:${port}/mcp`);
});
