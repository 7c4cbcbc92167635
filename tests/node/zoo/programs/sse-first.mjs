// The first release of the SDK: one client, and one transport in a variable.
import express from "express";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { SSEServerTransport } from "@modelcontextprotocol/sdk/server/sse.js";
import { CallToolRequestSchema, ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js";

const server = new Server({ name: "zoo", version: "1.0.0" }, { capabilities: { tools: {} } });
const inputSchema = { type: "object", properties: { a: { type: "number" }, b: { type: "number" } } };
server.setRequestHandler(ListToolsRequestSchema, async () => ({ tools: [{ name: "add", inputSchema }] }));
server.setRequestHandler(CallToolRequestSchema, async ({ params }) => ({
  content: [{ type: "text", text: `${params.arguments.a + params.arguments.b}` }],
}));
let transport;
const app = express();
app.get("/sse", async (request, response) => {
  transport = new SSEServerTransport("/messages", response);
  await server.connect(transport);
});
app.post("/messages", (request, response) => transport.handlePostMessage(request, response));
app.listen(Number(process.argv[2]), "127.0.0.1");
