// The server of the pairs on the TypeScript SDK v2: no sessions, questions in results, changes to those who listen. Prints
// `{"port":…}`. It serves 2026-07-28 only; with `both`, clients that open with `initialize` too, without sessions.
import { toNodeHandler } from "@modelcontextprotocol/node";
import { ProtocolError, ProtocolErrorCode, ResourceNotFoundError, Server, createMcpHandler, inputRequired } from "@modelcontextprotocol/server";
import { createServer } from "node:http";

import * as features from "./features.mjs";

const LOG_LEVEL = "io.modelcontextprotocol/logLevel";
/** Bytes that a careless re-encoding changes. */
const STATE = 'round 1: "é" \\u20ac \\ +/=';

/** Ends a call with a question; the client sends it again with the answer. */
class Question extends Error {
  constructor(request) {
    super("a question");
    this.result = inputRequired({ inputRequests: { question: request }, requestState: STATE });
  }
}

const world = features.world();
const invalid = (message) => new ProtocolError(ProtocolErrorCode.InvalidParams, message);

function server() {
  const it = new Server(features.serverInfo, { capabilities: features.capabilities, instructions: "Pairs." });
  it.setRequestHandler("tools/list", () => features.listTools(world));
  it.setRequestHandler("resources/list", features.listResources);
  it.setRequestHandler("resources/templates/list", features.listTemplates);
  it.setRequestHandler("prompts/list", features.listPrompts);
  it.setRequestHandler("completion/complete", ({ params }) => features.complete(params));
  it.setRequestHandler("tools/call", async ({ params: { name, arguments: args = {} } }, { mcpReq }) => {
    const tool = features.tools[name];
    if (!tool) throw invalid(`Unknown tool: ${name}`);
    const wrong = features.wrong(tool, args);
    if (wrong) throw invalid(wrong);
    const state = mcpReq.requestState();
    if (state !== undefined && state !== STATE) throw invalid("requestState is not one of this server's");
    const answer = (request) => {
      const given = mcpReq.inputResponses?.question;
      if (given === undefined) throw new Question(request);
      return given;
    };
    const progressToken = mcpReq._meta?.progressToken;
    try {
      return await tool.call(args, world, {
        level: mcpReq.envelope?.[LOG_LEVEL],
        signal: mcpReq.signal,
        ask: (params) => answer(inputRequired.elicit(params)),
        sample: (params) => answer(inputRequired.createMessage(params)),
        roots: () => answer(inputRequired.listRoots()),
        log: (params) => mcpReq.notify({ method: "notifications/message", params }),
        async progress(step) {
          if (progressToken === undefined) return;
          await mcpReq.notify({ method: "notifications/progress", params: { progressToken, ...step } });
        },
      });
    } catch (error) {
      if (error instanceof Question) return error.result;
      throw error;
    }
  });
  it.setRequestHandler("resources/read", ({ params: { uri } }) => {
    const note = features.read(uri, world);
    if (note) return note;
    throw new ResourceNotFoundError(uri, `no resource ${uri}`);
  });
  it.setRequestHandler("prompts/get", ({ params }) => {
    const { wrong, ...prompt } = features.prompt(params);
    if (wrong) throw invalid(wrong);
    return prompt;
  });
  return it;
}

const handler = createMcpHandler(server, { legacy: process.argv[2] === "both" ? "stateless" : "reject" });
world.follow(({ uri, tools }) => (tools ? handler.notify.toolsChanged() : handler.notify.resourceUpdated(uri)));
const node = toNodeHandler(handler);
const listener = createServer((request, response) => {
  if (new URL(request.url, "http://localhost").pathname === "/mcp") return node(request, response);
  response.writeHead(404).end();
});
listener.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${JSON.stringify({ port: listener.address().port })}\n`);
});
