// The script's client on the TypeScript SDK v2, in the era that it is told to speak or finds.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

import { ROOTS, SAMPLED, capabilities, lists, pages, tokenless, watchProgress } from "./client-common.mjs";

const LOG_LEVEL = "io.modelcontextprotocol/logLevel";
const NOTIFICATIONS = ["notifications/resources/updated", "notifications/tools/list_changed", "notifications/message"];

export function client(told, mode) {
  const it = new Client({ name: "pairs", version: "1.0.0" }, { capabilities, versionNegotiation: { mode } });
  const asked = (method, params) => told.asked.push(tokenless({ method, params }));
  it.setRequestHandler("elicitation/create", ({ params }) => (asked("elicitation/create", params), told.answer));
  it.setRequestHandler("sampling/createMessage", ({ params }) => {
    asked("sampling/createMessage", params);
    return SAMPLED;
  });
  it.setRequestHandler("roots/list", () => (asked("roots/list"), { roots: ROOTS }));
  for (const method of NOTIFICATIONS) {
    it.setNotificationHandler(method, ({ params }) => void told.heard.push({ method, ...(params && { params }) }));
  }

  const modern = () => it.getNegotiatedProtocolVersion() >= "2026-07-28";
  const call = (name, args, options, meta) =>
    it.callTool({ name, arguments: args, ...(meta && { _meta: meta }) }, options);
  return {
    async connect([where, ...rest]) {
      const transport = URL.canParse(where)
        ? new StreamableHTTPClientTransport(new URL(where))
        : new StdioClientTransport({ command: where, args: rest, stderr: "inherit" });
      await it.connect(transport);
      watchProgress(transport, told);
    },
    close: () => it.close(),
    list: (what) => pages((page) => it[lists[what]](page, { cacheMode: "bypass" }), what),
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
      if (modern()) {
        const filter = what === "tools" ? { toolsListChanged: true } : { resourceSubscriptions: [what] };
        const subscription = await it.listen(filter);
        return () => subscription.close();
      }
      if (what === "tools") return () => {};
      await it.subscribeResource({ uri: what });
      return () => it.unsubscribeResource({ uri: what });
    },
    async log(level, name, args) {
      if (modern()) return call(name, args, undefined, { [LOG_LEVEL]: level });
      await it.setLoggingLevel(level);
      return call(name, args);
    },
  };
}
