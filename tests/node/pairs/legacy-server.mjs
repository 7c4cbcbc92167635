// The server of the pairs on the TypeScript SDK v1: sessions, and requests to the client. Prints `{"port":…}`.
import { createMcpExpressApp } from "@modelcontextprotocol/sdk/server/express.js";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import * as types from "@modelcontextprotocol/sdk/types.js";
import { randomUUID } from "node:crypto";

import * as features from "./features.mjs";

/** MCP 2025-11-25, server/resources, "Error Handling". */
const RESOURCE_NOT_FOUND = -32002;

const world = features.world();
const sessions = new Map();

function session() {
  const server = new Server(features.serverInfo, { capabilities: features.capabilities, instructions: "Pairs." });
  const followed = new Set();
  let level = "info";
  const invalid = (message) => new types.McpError(types.ErrorCode.InvalidParams, message);
  const on = (schema, answer) => server.setRequestHandler(schema, answer);

  on(types.ListToolsRequestSchema, () => features.listTools(world));
  on(types.ListResourcesRequestSchema, features.listResources);
  on(types.ListResourceTemplatesRequestSchema, features.listTemplates);
  on(types.ListPromptsRequestSchema, features.listPrompts);
  on(types.CompleteRequestSchema, ({ params }) => features.complete(params));
  on(types.CallToolRequestSchema, async ({ params: { name, arguments: args = {} } }, extra) => {
    const tool = features.tools[name];
    if (!tool) throw invalid(`Unknown tool: ${name}`);
    const wrong = features.wrong(tool, args);
    if (wrong) throw invalid(wrong);
    const related = { relatedRequestId: extra.requestId, signal: extra.signal };
    const progressToken = extra._meta?.progressToken;
    return tool.call(args, world, {
      level,
      signal: extra.signal,
      ask: (params) => server.elicitInput(params, related),
      sample: (params) => server.createMessage(params, related),
      roots: () => server.listRoots(undefined, related),
      log: (params) => extra.sendNotification({ method: "notifications/message", params }),
      async progress(step) {
        if (progressToken === undefined) return;
        await extra.sendNotification({ method: "notifications/progress", params: { progressToken, ...step } });
      },
    });
  });
  on(types.ReadResourceRequestSchema, ({ params: { uri } }) => {
    const note = features.read(uri, world);
    if (note) return note;
    throw new types.McpError(RESOURCE_NOT_FOUND, `no resource ${uri}`, { uri });
  });
  on(types.GetPromptRequestSchema, ({ params }) => {
    const { wrong, ...prompt } = features.prompt(params);
    if (wrong) throw invalid(wrong);
    return prompt;
  });
  on(types.SubscribeRequestSchema, ({ params }) => (followed.add(params.uri), {}));
  on(types.UnsubscribeRequestSchema, ({ params }) => (followed.delete(params.uri), {}));
  on(types.SetLevelRequestSchema, ({ params }) => ((level = params.level), {}));

  const stop = world.follow(({ uri, tools }) => {
    if (tools) server.sendToolListChanged().catch(() => {});
    if (followed.has(uri)) server.sendResourceUpdated({ uri }).catch(() => {});
  });
  return { server, stop };
}

async function open() {
  const { server, stop } = session();
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: () => randomUUID(),
    onsessioninitialized: (id) => void sessions.set(id, transport),
  });
  server.onclose = () => {
    stop();
    sessions.delete(transport.sessionId);
  };
  await server.connect(transport);
  return transport;
}

const app = createMcpExpressApp();
app.all("/mcp", async (request, response) => {
  const id = request.headers["mcp-session-id"];
  const transport = sessions.get(id) ?? (id === undefined ? await open() : undefined);
  if (transport) return transport.handleRequest(request, response, request.body);
  response.status(404).json({ jsonrpc: "2.0", error: { code: -32001, message: "Session not found" }, id: null });
});
const listener = app.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${JSON.stringify({ port: listener.address().port })}\n`);
});
