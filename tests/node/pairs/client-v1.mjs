// The script's client on the TypeScript SDK v1: `initialize`, and requests by the server.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import * as types from "@modelcontextprotocol/sdk/types.js";

import { ROOTS, SAMPLED, capabilities, lists, pages, tokenless, watchProgress } from "./client-common.mjs";

export function client(told) {
  const it = new Client({ name: "pairs", version: "1.0.0" }, { capabilities });
  const asked = (method, params) => told.asked.push(tokenless({ method, params }));
  it.setRequestHandler(types.ElicitRequestSchema, ({ params }) => (asked("elicitation/create", params), told.answer));
  it.setRequestHandler(types.CreateMessageRequestSchema, ({ params }) => {
    asked("sampling/createMessage", params);
    return SAMPLED;
  });
  it.setRequestHandler(types.ListRootsRequestSchema, () => (asked("roots/list"), { roots: ROOTS }));
  it.fallbackNotificationHandler = async ({ method, params }) => void told.heard.push({ method, ...(params && { params }) });

  const call = (name, args, options) => it.callTool({ name, arguments: args }, undefined, options);
  return {
    async connect([where, ...rest]) {
      const transport = URL.canParse(where)
        ? new StreamableHTTPClientTransport(new URL(where))
        : new StdioClientTransport({ command: where, args: rest, stderr: "inherit" });
      await it.connect(transport);
      watchProgress(transport, told);
    },
    close: () => it.close(),
    list: (what) => pages((page) => it[lists[what]](page), what),
    call: (name, args, { progress }) =>
      call(name, args, progress && { onprogress: () => {} }),
    async cancelled(name, args) {
      const stop = new AbortController();
      const options = { signal: stop.signal, onprogress: () => stop.abort("enough") };
      return call(name, args, options).then(() => "not cancelled", ({ message }) => message);
    },
    read: (uri) => it.readResource({ uri }),
    prompt: (name, args) => it.getPrompt({ name, arguments: args }),
    complete: (params) => it.complete(params),
    async follow(what) {
      if (what === "tools") return () => {};
      await it.subscribeResource({ uri: what });
      return () => it.unsubscribeResource({ uri: what });
    },
    async log(level, name, args) {
      await it.setLoggingLevel(level);
      return call(name, args);
    },
  };
}
