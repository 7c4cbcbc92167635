// Compiled in strict mode against the packed types; never run.
import { Client as ClientV2 } from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import {
  type CallToolResult,
  Hub,
  HubError,
  type HubErrorCode,
  type HubEvent,
  HubTransport,
  type Instance,
  type InstanceServer,
  type LogLine,
  type LogListener,
  type Registration,
  type Session,
  type StdioInstance,
  onLog,
  register,
  serveInstance,
  serveStdio,
  version,
} from "brummer-hub";

export async function everything(signal: AbortSignal): Promise<void> {
  const registration: Registration = register({ port: 1, name: "a", path: new URL("file:///a"), labels: { a: "b" } });
  await registration.close();
  // @ts-expect-error: the port is needed.
  register({});

  const shared: StdioInstance = await serveStdio({ command: "npx", args: ["x"] as const, idle: Infinity, path: new URL("file:///a") });
  const pid: number | undefined = shared.report().processes[0]?.pid;
  console.log(pid, shared.report().lastEnd, shared.ref().url);
  await shared.close();
  // @ts-expect-error: the command is needed.
  await serveStdio({});

  const server: InstanceServer = await serveInstance({
    name: "shop",
    tools: {
      orders: { description: "d", inputSchema: { type: "object" }, handler: (_args, { signal: aborted }) => aborted.aborted },
      short: async () => "text",
    },
    resources: [{ uri: "a:b", handler: (uri, { variables }) => [uri, variables] }],
    prompts: [{ name: "p", arguments: [{ name: "x", required: true }], handler: ({ x }) => `p ${x}` }],
    complete: async ({ ref, argument, context }) =>
      ref.type === "ref/prompt" ? [ref.name, argument.value] : [ref.uri, context?.arguments?.x ?? ""],
  });
  server.update({ tools: [{ name: "t", handler: (_args, { progress, log }) => (progress(1, 2), log("info", {})) }] });

  const hub: Hub = await Hub.start({ callTimeout: 1000 });
  const instances: Instance[] = hub.instances();
  hub.on("state", ({ from, instance }) => `${from} ${instance.alias}`).once("close", () => {});
  for await (const event of hub.watch({ signal })) name(event);
  const session: Session = await hub.connect(instances[0]?.id ?? "shop", { capabilities: { roots: {} }, onRequest: () => ({}) });
  const alias: string | undefined = session.instance?.alias;
  const free: Session = await hub.session({ timeout: 10 });
  await free.connect("shop", { signal }).then(() => free.disconnect());
  await free.callTool("a", {}, { instance: "shop", timeout: 10 });
  const log: LogListener = onLog(({ level, target, message }: LogLine) => [level, target, message], { level: "debug" });
  log.close();
  const result: CallToolResult = await session.callTool("a", { b: 1 }, { signal, onProgress: ({ progress }) => progress });
  session.on("resourceUpdated", (uri: string) => uri);
  await session.subscribe("a:b", { timeout: 10 }).then(() => session.unsubscribe("a:b"));
  await session.request<{ a: string }>("x/y").then(({ a }) => a);
  void [alias, result.isError, version];

  await new ClientV1({ name: "a", version: "1" }).connect(new HubTransport(hub, { tools: "all" }));
  await new ClientV2({ name: "a", version: "1" }).connect(new HubTransport(hub));
  await hub.ref().unref().close();
  const code: HubErrorCode = new HubError("ERR_BH_RPC", "m", { rpcCode: -32000 }).code;
  void code;
}

function name(event: HubEvent): string {
  switch (event.type) {
    case "lagged":
      return String(event.missed);
    case "state":
      return event.from;
    default:
      return event.instance.alias;
  }
}
