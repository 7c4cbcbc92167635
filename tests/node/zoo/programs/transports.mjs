// How hobby servers use the SDK's transport: `sessions` as its examples do, `stateless` with all anew for each request,
// `one` with one transport for the whole process. Gives a handler for a request of Node with its body.
import { randomUUID } from "node:crypto";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { server } from "./contents.mjs";

export async function handler(mode) {
  return { sessions, stateless, one: one(randomUUID), "one without sessions": one(undefined) }[mode]();
}

async function sessions() {
  const open = new Map();
  return async (request, response, body) => {
    let transport = open.get(request.headers["mcp-session-id"]);
    if (!transport) {
      if (body?.method !== "initialize") {
        const error = { code: -32000, message: "Bad Request: No valid session ID provided" };
        response.writeHead(400, { "content-type": "application/json" });
        return response.end(JSON.stringify({ jsonrpc: "2.0", error, id: null }));
      }
      transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (id) => open.set(id, transport),
      });
      transport.onclose = () => open.delete(transport.sessionId);
      await server().connect(transport);
    }
    await transport.handleRequest(request, response, body);
  };
}

async function stateless() {
  return async (request, response, body) => {
    if (request.method !== "POST") {
      response.writeHead(405, { "content-type": "application/json" });
      return response.end(JSON.stringify({ jsonrpc: "2.0", error: { code: -32000, message: "Method not allowed." }, id: null }));
    }
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
    response.on("close", () => transport.close());
    await server().connect(transport);
    await transport.handleRequest(request, response, body);
  };
}

const one = (sessionIdGenerator) => async () => {
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator });
  await server().connect(transport);
  return (request, response, body) => transport.handleRequest(request, response, body);
};
