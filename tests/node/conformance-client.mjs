// The client of a conformance scenario for clients: announces the scenario's server as an instance, starts the hub, and
// makes the hub do what the scenario looks at. The suite starts it once per scenario.
//
//   node conformance-client.mjs SERVER_URL
//
// Its environment: HUB_COMMAND, the hub and its arguments (JSON); HUB_DATA, the directory to announce in; HUB_ERA, what
// the client before the hub speaks (`legacy` or `modern`); HUB_OWNER, a process that the server belongs to; and what the
// suite says of the scenario.
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { untilActive } from "./waiting.mjs";

const { HUB_COMMAND, HUB_DATA, HUB_ERA, HUB_OWNER, MCP_CONFORMANCE_SCENARIO: scenario } = process.env;
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? "{}");
const url = new URL(process.argv[2]);
const id = `scenario-${process.pid}`;
const data = join(HUB_DATA, id);

function announce() {
  const now = new Date().toISOString();
  const doorbell = {
    id, name: "it", pid: Number(HUB_OWNER), path: data, port: Number(url.port), endpoint: url.pathname,
    started: now, last_seen: now, has_package_json: false,
  };
  for (const directory of ["temp", "instances"]) mkdirSync(join(data, directory), { recursive: true, mode: 0o700 });
  const temporary = join(data, "temp", id);
  writeFileSync(temporary, JSON.stringify(doorbell), { mode: 0o600 });
  renameSync(temporary, join(data, "instances", `${id}.json`));
}

const modern = HUB_ERA === "modern";
const prefix = modern ? "it__" : "";
const capabilities = { roots: {}, sampling: {}, elicitation: { form: { applyDefaults: true } } };
const versionNegotiation = { mode: modern ? { pin: "2026-07-28" } : "legacy" };
const it = new Client({ name: "conformance", version: "1.0.0" }, { capabilities, versionNegotiation });
it.setRequestHandler("elicitation/create", () => ({ action: "accept", content: {} }));
it.setRequestHandler("roots/list", () => ({ roots: [] }));

const call = (name, args = {}) => it.callTool({ name: prefix + name, arguments: args });

announce();
const [command, ...rest] = JSON.parse(HUB_COMMAND);
await it.connect(new StdioClientTransport({ command, args: [...rest, "--data-dir", data], stderr: "inherit" }));
await untilActive(it, id);
if (!modern) await it.callTool({ name: "instances_connect", arguments: { instance_id: id } });

const listed = (await it.listTools(undefined, { cacheMode: "refresh" })).tools;
const tools = listed.filter(({ name }) => !name.startsWith("instances_") && name.startsWith(prefix));
const own = tools.map((tool) => ({ ...tool, name: tool.name.slice(prefix.length) }));

switch (scenario) {
  case "tools_call":
    for (const { name } of own) await call(name, { a: 2, b: 3 });
    break;
  case "http-standard-headers": {
    for (const { name } of own) await call(name);
    for (const { uri } of (await it.listResources()).resources) {
      if (!uri.startsWith("brummer:")) await it.readResource({ uri });
    }
    for (const { name } of (await it.listPrompts()).prompts) await it.getPrompt({ name, arguments: {} });
    break;
  }
  case "http-custom-headers":
    for (const { name, arguments: args } of context.toolCalls) await call(name, args);
    break;
  case "http-invalid-tool-headers":
    for (const { name } of own) await call(name, { region: "us", valid: "x" }).catch(() => {});
    break;
  case "sep-2322-client-request-state":
    // The one that asks is under way while the other is called.
    await Promise.all(own.map(({ name }) => call(name)));
    break;
  case "json-schema-2020-12-preservation": {
    const { inputSchema } = own.find(({ name }) => name === "json_schema_2020_12_tool");
    await call("json_schema_echo", { schema: inputSchema });
    break;
  }
  case "elicitation-sep1034-client-defaults":
    await call("test_client_elicitation_defaults");
    break;
  case "sse-retry":
    await call("test_reconnection");
    break;
  case "initialize":
  case "request-metadata":
  case "json-schema-ref-no-deref":
    break;
  default:
    throw new Error(`${scenario} is not known here`);
}
await it.close();
process.exit(0);
