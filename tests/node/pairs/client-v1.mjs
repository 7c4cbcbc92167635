// The script's client on the TypeScript SDK v1: `initialize`, and requests by the server.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as Stdio } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as Http } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import * as types from "@modelcontextprotocol/sdk/types.js";

import { ROOTS, SAMPLED, capabilities, common } from "./client-common.mjs";

export function client(told) {
  const it = new Client({ name: "pairs", version: "1.0.0" }, { capabilities });
  it.setRequestHandler(types.ElicitRequestSchema, ({ method, params }) => told.asks(method, params, told.answer));
  it.setRequestHandler(types.CreateMessageRequestSchema, ({ method, params }) => told.asks(method, params, SAMPLED));
  it.setRequestHandler(types.ListRootsRequestSchema, ({ method }) => told.asks(method, undefined, { roots: ROOTS }));
  it.fallbackNotificationHandler = async ({ method, params }) => told.hear({ method, ...(params && { params }) });

  const call = (name, args, options) => it.callTool({ name, arguments: args }, undefined, options);
  return {
    ...common(it, told, { Http, Stdio, call }),
    async log(level, name, args) {
      await it.setLoggingLevel(level);
      return call(name, args);
    },
  };
}
