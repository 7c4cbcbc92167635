// A server with all that the official conformance scenarios for servers look for. Listens on a free loopback port and
// prints `{"port":…}`; one MCP session per `Mcp-Session-Id`, ended by DELETE.
//
// Every scenario passes. `server-sse-polling` does so with two warnings, no priming event and no `retry` field: it asks
// with `MCP-Protocol-Version: 2025-03-26`, and the SDK sends both only to clients of 2025-11-25 or newer, since older
// ones cannot read an event without data. To those newer clients `test_reconnection` does close the stream.
import { createMcpExpressApp } from "@modelcontextprotocol/sdk/server/express.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { isInitializeRequest } from "@modelcontextprotocol/sdk/types.js";
import { randomUUID } from "node:crypto";

import { session } from "./conformance-features.mjs";
import { eventStore } from "./event-store.mjs";

/** When a client whose stream was closed comes back: soon, since tests wait for it. */
const RETRY_MS = 50;

const sessions = new Map();

async function open() {
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: () => randomUUID(),
    eventStore: eventStore(),
    retryInterval: RETRY_MS,
    onsessioninitialized: (id) => void sessions.set(id, transport),
  });
  const server = session();
  server.onclose = () => sessions.delete(transport.sessionId);
  await server.connect(transport);
  return transport;
}

const refuse = (response, status, code, message) =>
  response.status(status).json({ jsonrpc: "2.0", error: { code, message }, id: null });

// The application checks `Host` before it reads a body; a page of another origin is turned away, too.
const app = createMcpExpressApp();
app.all("/mcp", async (request, response) => {
  const { origin, "mcp-session-id": id } = request.headers;
  if (origin !== undefined && !isLocal(origin)) return refuse(response, 403, -32000, `Invalid Origin: ${origin}`);
  let transport = sessions.get(id);
  if (!transport && id !== undefined) return refuse(response, 404, -32001, "Session not found");
  if (!transport && !isInitializeRequest(request.body)) return refuse(response, 400, -32000, "Session ID required");
  transport ??= await open();
  await transport.handleRequest(request, response, request.body);
});

function isLocal(origin) {
  return URL.canParse(origin) && ["localhost", "127.0.0.1", "[::1]"].includes(new URL(origin).hostname);
}

const listener = app.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${JSON.stringify({ port: listener.address().port })}\n`);
});
