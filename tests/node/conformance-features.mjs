// What one session of the conformance server answers.
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import * as types from "@modelcontextprotocol/sdk/types.js";
import { setTimeout as sleep } from "node:timers/promises";

import { complete, prompts, read, resources, templates } from "./conformance-contents.mjs";
import { text } from "./conformance-media.mjs";
import { tools } from "./conformance-tools.mjs";

/** MCP 2025-11-25, server/resources, "Error Handling". */
const RESOURCE_NOT_FOUND = -32002;

const capabilities = { tools: {}, resources: { subscribe: true }, prompts: {}, completions: {}, logging: {} };

/** A server for one session; the SDK itself answers `initialize` and `ping`. */
export function session() {
  const server = new Server({ name: "conformance-server", version: "1.0.0" }, { capabilities });
  const levels = types.LoggingLevelSchema.options;
  let level = "debug";

  server.setRequestHandler(types.SetLevelRequestSchema, ({ params }) => {
    level = params.level;
    return {};
  });

  server.setRequestHandler(types.ListToolsRequestSchema, () => ({
    tools: Object.entries(tools).map(([name, { description, inputSchema }]) => ({ name, description, inputSchema })),
  }));
  server.setRequestHandler(types.CallToolRequestSchema, async (request, extra) => {
    const { name, arguments: args = {} } = request.params;
    const { inputSchema, call } = known(tools, name, "tool");
    requireStrings(args, inputSchema.required ?? []);
    const log = async (severity, data) => {
      if (levels.indexOf(severity) < levels.indexOf(level)) return;
      const params = { level: severity, logger: name, data };
      await extra.sendNotification({ method: "notifications/message", params });
    };
    try {
      return { content: await call(args, { log, ...running(server, extra) }) };
    } catch (error) {
      return { content: [text(error.message)], isError: true };
    }
  });

  server.setRequestHandler(types.ListResourcesRequestSchema, () => ({
    resources: Object.entries(resources).map(([uri, { content, ...rest }]) => ({ uri, ...rest })),
  }));
  server.setRequestHandler(types.ListResourceTemplatesRequestSchema, () => ({ resourceTemplates: templates }));
  server.setRequestHandler(types.ReadResourceRequestSchema, ({ params }) => ({ contents: [existing(params.uri)] }));
  // No resource changes, so there is never anything to tell a subscriber, and nothing to remember.
  for (const schema of [types.SubscribeRequestSchema, types.UnsubscribeRequestSchema]) {
    server.setRequestHandler(schema, ({ params }) => {
      existing(params.uri);
      return {};
    });
  }

  server.setRequestHandler(types.ListPromptsRequestSchema, () => ({
    prompts: Object.entries(prompts).map(([name, { description, arguments: args }]) => ({
      name,
      description,
      arguments: Object.entries(args).map(([argument, meaning]) => ({
        name: argument,
        description: meaning,
        required: true,
      })),
    })),
  }));
  server.setRequestHandler(types.GetPromptRequestSchema, ({ params }) => {
    const { name, arguments: args = {} } = params;
    const prompt = known(prompts, name, "prompt");
    requireStrings(args, Object.keys(prompt.arguments));
    return { description: prompt.description, messages: prompt.messages(args) };
  });

  server.setRequestHandler(types.CompleteRequestSchema, ({ params }) => {
    const values = complete(params);
    return { completion: { values, total: values.length, hasMore: false } };
  });

  return server;
}

/** What a running call can do. Whatever it sends goes over the stream of its own request. */
function running(server, extra) {
  const related = { relatedRequestId: extra.requestId, signal: extra.signal };
  const { elicitation, sampling } = server.getClientCapabilities() ?? {};
  const progressToken = extra._meta?.progressToken;
  return {
    pause: (milliseconds) => sleep(milliseconds, undefined, { signal: extra.signal }),
    progress: async (progress, total) => {
      if (progressToken === undefined) return;
      await extra.sendNotification({ method: "notifications/progress", params: { progressToken, progress, total } });
    },
    sample: async (params) => {
      if (!sampling) throw new Error("the client does not support sampling");
      return server.createMessage(params, related);
    },
    elicit: async (params) => {
      if (!elicitation) throw new Error("the client does not support elicitation");
      return server.elicitInput(params, related);
    },
    // Clients older than 2025-11-25 cannot come back; their stream stays open.
    hangUp: () => extra.closeSSEStream?.(),
  };
}

function known(all, name, what) {
  if (Object.hasOwn(all, name)) return all[name];
  throw new types.McpError(types.ErrorCode.InvalidParams, `Unknown ${what}: ${name}`);
}

function existing(uri) {
  const content = read(uri);
  if (content) return content;
  throw new types.McpError(RESOURCE_NOT_FOUND, "Resource not found", { uri });
}

/** The required arguments of tools and prompts are all strings. */
function requireStrings(args, names) {
  const missing = names.find((name) => typeof args[name] !== "string");
  if (missing === undefined) return;
  throw new types.McpError(types.ErrorCode.InvalidParams, `Argument ${missing} must be a string`);
}
