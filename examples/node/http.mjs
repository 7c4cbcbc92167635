// An MCP server with nothing but node:http and the official SDK, which announces itself.
//
//   npm install brummer-hub @modelcontextprotocol/sdk && node http.mjs
import http from "node:http";
import { randomUUID } from "node:crypto";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { register } from "brummer-hub";

const sessions = new Map();

async function open() {
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => sessions.set(id, transport),
    onsessionclosed: (id) => sessions.delete(id),
  });
  const mcp = new McpServer({ name: "clock", version: "1.0.0" });
  mcp.registerTool("time", { description: "Tells the time" }, () => ({
    content: [{ type: "text", text: new Date().toISOString() }],
  }));
  await mcp.connect(transport);
  return transport;
}

const server = http.createServer(async (request, response) => {
  if (request.url !== "/mcp") return response.writeHead(404).end();
  const id = request.headers["mcp-session-id"];
  if (id && !sessions.has(id)) return response.writeHead(404).end();
  await (sessions.get(id) ?? (await open())).handleRequest(request, response);
});

server.listen(0, "127.0.0.1", () => {
  const { port } = server.address();
  register({ port, name: "clock" });
  console.log(`http://127.0.0.1:${port}/mcp`);
});
