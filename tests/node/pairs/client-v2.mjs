// The script's client on the TypeScript SDK v2, in the era that it is told to speak or finds.
import { Client, StreamableHTTPClientTransport as Http } from "@modelcontextprotocol/client";
import { StdioClientTransport as Stdio } from "@modelcontextprotocol/client/stdio";

import { ROOTS, SAMPLED, capabilities, common } from "./client-common.mjs";

const LOG_LEVEL = "io.modelcontextprotocol/logLevel";
const NOTIFICATIONS = ["notifications/resources/updated", "notifications/tools/list_changed", "notifications/message"];

export function client(told, mode) {
  const it = new Client({ name: "pairs", version: "1.0.0" }, { capabilities, versionNegotiation: { mode } });
  it.setRequestHandler("elicitation/create", ({ params }) => told.asks("elicitation/create", params, told.answer));
  it.setRequestHandler("sampling/createMessage", ({ params }) => told.asks("sampling/createMessage", params, SAMPLED));
  it.setRequestHandler("roots/list", () => told.asks("roots/list", undefined, { roots: ROOTS }));
  for (const method of NOTIFICATIONS) {
    it.setNotificationHandler(method, ({ params }) => told.hear({ method, ...(params && { params }) }));
  }

  const call = (name, args, options, meta) =>
    it.callTool({ name, arguments: args, ...(meta && { _meta: meta }) }, options);
  return {
    ...common(it, told, { Http, Stdio, call, listOptions: { cacheMode: "bypass" } }),
    async log(level, name, args) {
      if (it.getNegotiatedProtocolVersion() >= "2026-07-28") return call(name, args, undefined, { [LOG_LEVEL]: level });
      await it.setLoggingLevel(level);
      return call(name, args);
    },
  };
}
