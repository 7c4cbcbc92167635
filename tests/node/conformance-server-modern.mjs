// A server of 2026-07-28 with all that the official conformance scenarios look for. Listens on a free loopback port and
// prints `{"port":…}`.
import { localhostHostValidation, localhostOriginValidation, toNodeHandler } from "@modelcontextprotocol/node";
import {
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
  Server,
  createMcpHandler,
} from "@modelcontextprotocol/server";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

import { complete, prompts, read, resources, templates } from "./conformance-contents.mjs";
import { text } from "./conformance-media.mjs";
import * as rounds from "./conformance-rounds.mjs";
import { NO_ARGUMENTS } from "./conformance-schemas.mjs";
import { tools } from "./conformance-tools.mjs";

const LOG_LEVEL = "io.modelcontextprotocol/logLevel";
const CAPABILITIES = "io.modelcontextprotocol/clientCapabilities";
const capabilities = {
  tools: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  prompts: { listChanged: true },
  completions: {},
  logging: {},
};
const invalid = (message) => new ProtocolError(ProtocolErrorCode.InvalidParams, message);

/** Tools that ask the client by requests, which this revision does not have. */
const ASKING = ["test_sampling", "test_elicitation", "test_elicitation_sep1034_defaults", "test_elicitation_sep1330_enums"];
/** A stream that is closed is lost in this revision. */
const HANGING_UP = ["test_reconnection"];

const plain = Object.fromEntries(
  Object.entries(tools).filter(([name]) => !ASKING.includes(name) && !HANGING_UP.includes(name)),
);

/** What only this revision's scenarios ask for. */
const diagnostics = {
  test_missing_capability: {
    description: "Needs a client that can sample",
    call(_, { clientCapabilities }) {
      if (!clientCapabilities.sampling) throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { sampling: {} } });
      return [text("The client can sample.")];
    },
  },
  test_logging_tool: {
    description: "Logs, if the client wants to hear it",
    async call(_, { log }) {
      await log("error", "something to hear");
      return [text("Logged.")];
    },
  },
  test_trigger_tool_change: { description: "Changes the list of tools", call: () => (handler.notify.toolsChanged(), [text("Changed.")]) },
  test_trigger_prompt_change: { description: "Changes the list of prompts", call: () => (handler.notify.promptsChanged(), [text("Changed.")]) },
};

function server() {
  const it = new Server({ name: "conformance-server", version: "1.0.0" }, { capabilities });

  it.setRequestHandler("tools/list", () => ({
    tools: Object.entries({ ...plain, ...diagnostics, ...rounds.tools }).map(
      ([name, { description, inputSchema = NO_ARGUMENTS }]) => ({ name, description, inputSchema }),
    ),
  }));
  it.setRequestHandler("tools/call", async ({ params: { name, arguments: args = {} } }, { mcpReq }) => {
    if (Object.hasOwn(rounds.tools, name)) return round(name, rounds.tools[name].call, mcpReq, "content");
    const tool = plain[name] ?? diagnostics[name];
    if (!tool) throw invalid(`Unknown tool: ${name}`);
    requireStrings(args, tool.inputSchema?.required ?? []);
    const progressToken = mcpReq._meta?.progressToken;
    const notify = (method, params) => mcpReq.notify({ method, params });
    try {
      const content = await tool.call(args, {
        clientCapabilities: mcpReq.envelope?.[CAPABILITIES] ?? {},
        log: async (level, data) => {
          if (mcpReq.envelope?.[LOG_LEVEL] !== undefined) await notify("notifications/message", { level, logger: name, data });
        },
        pause: (milliseconds) => sleep(milliseconds, undefined, { signal: mcpReq.signal }),
        progress: async (progress, total) => {
          if (progressToken !== undefined) await notify("notifications/progress", { progressToken, progress, total });
        },
      });
      return { content };
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      return { content: [text(error.message)], isError: true };
    }
  });

  it.setRequestHandler("resources/list", () => ({
    resources: Object.entries(resources).map(([uri, { content, ...rest }]) => ({ uri, ...rest })),
  }));
  it.setRequestHandler("resources/templates/list", () => ({ resourceTemplates: templates }));
  it.setRequestHandler("resources/read", ({ params: { uri } }) => {
    const content = read(uri);
    if (content) return { contents: [content] };
    throw new ResourceNotFoundError(uri);
  });

  it.setRequestHandler("prompts/list", () => ({
    prompts: Object.entries({ ...prompts, ...rounds.prompts }).map(([name, { description, arguments: args = {} }]) => ({
      name,
      description,
      arguments: Object.entries(args).map(([argument, meaning]) => ({ name: argument, description: meaning, required: true })),
    })),
  }));
  it.setRequestHandler("prompts/get", ({ params: { name, arguments: args = {} } }, { mcpReq }) => {
    if (Object.hasOwn(rounds.prompts, name)) return round(name, rounds.prompts[name].messages, mcpReq, "messages");
    const prompt = prompts[name];
    if (!prompt) throw invalid(`Unknown prompt: ${name}`);
    requireStrings(args, Object.keys(prompt.arguments));
    return { description: prompt.description, messages: prompt.messages(args) };
  });
  it.setRequestHandler("completion/complete", ({ params }) => {
    const values = complete(params);
    return { completion: { values, total: values.length, hasMore: false } };
  });
  return it;
}

/** One round of a call that asks in its result. */
function round(name, call, mcpReq, member) {
  const given = mcpReq.requestState();
  const state = given === undefined ? undefined : rounds.unseal(name, given);
  if (given !== undefined && state === undefined) throw invalid("requestState was not given out for this request");
  const outcome = call({
    answers: mcpReq.inputResponses ?? {},
    state,
    capabilities: mcpReq.envelope?.[CAPABILITIES] ?? {},
  });
  if (Array.isArray(outcome)) return { [member]: outcome };
  return {
    resultType: "input_required",
    inputRequests: outcome.ask,
    ...(outcome.state !== undefined && { requestState: rounds.seal(name, outcome.state) }),
  };
}

/** The required arguments of tools and prompts are all strings. */
function requireStrings(args, names) {
  const missing = names.find((name) => typeof args[name] !== "string");
  if (missing !== undefined) throw invalid(`Argument ${missing} must be a string`);
}

const handler = createMcpHandler(server, { legacy: "reject" });
const node = toNodeHandler(handler);
const guards = [localhostHostValidation(), localhostOriginValidation()];
const listener = createServer((request, response) => {
  if (!guards.every((guard) => guard(request, response))) return undefined;
  return node(request, response);
});
listener.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${JSON.stringify({ port: listener.address().port })}\n`);
});
