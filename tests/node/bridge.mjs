// Serves a program that speaks MCP on its stdio over Streamable HTTP: one process per session, so that clients which
// know HTTP only (the conformance suite) can test the hub. Prints `{"port":…}`.
//
//   node bridge.mjs COMMAND [ARGUMENT…]
import "./announce-port.mjs";
import { createMcpExpressApp } from "@modelcontextprotocol/sdk/server/express.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";

import { eventStore } from "./event-store.mjs";

const [command, ...commandArguments] = process.argv.slice(2);
const sessions = new Map();

function open() {
  const child = spawn(command, commandArguments, { stdio: ["pipe", "pipe", "inherit"] });
  // On stdio nothing says which request a message belongs to; over HTTP it is best sent on that request's stream.
  const waiting = new Map();
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: () => randomUUID(),
    eventStore: eventStore(),
    retryInterval: 5000,
    onsessioninitialized: (id) => void sessions.set(id, transport),
  });
  transport.onmessage = (message) => {
    if (message.method !== undefined && message.id !== undefined) {
      waiting.set(message.id, message.params?._meta?.progressToken);
    }
    child.stdin.write(`${JSON.stringify(message)}\n`);
  };
  transport.onclose = () => {
    sessions.delete(transport.sessionId);
    child.stdin.end();
  };
  createInterface({ input: child.stdout }).on("line", (line) => {
    const message = JSON.parse(line);
    const answers = message.method === undefined;
    const token = message.params?.progressToken;
    const byToken = [...waiting].find(([, waits]) => token !== undefined && waits === token)?.[0];
    const relatedRequestId = answers ? undefined : (byToken ?? [...waiting.keys()].at(-1));
    if (answers) waiting.delete(message.id);
    transport.send(message, { relatedRequestId }).catch(() => {});
  });
  return transport;
}

const app = createMcpExpressApp();
app.all("/mcp", async (request, response) => {
  const id = request.headers["mcp-session-id"];
  let transport = sessions.get(id);
  if (!transport && id === undefined && request.body?.method === "initialize") {
    transport = open();
    await transport.start();
  }
  if (!transport) {
    response.status(id === undefined ? 400 : 404).json({ jsonrpc: "2.0", error: { code: -32000, message: "no such session" }, id: null });
    return;
  }
  await transport.handleRequest(request, response, request.body);
});
app.listen(0, () => {});
