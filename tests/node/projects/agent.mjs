// An agent in a project: `brummer-hub run` has the project's scripts, a hub stands between, and all that is known of them
// comes from calls of tools.
import { mkdirSync, rmSync } from "node:fs";
import { once } from "node:events";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { ToolListChangedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { endGroup, startGroup } from "../group.mjs";
import { Changing } from "../waiting.mjs";

/** What one call may take: `wait_until` waits as long as it is told to. */
const CALL = { timeout: 300_000 };
/** How much is kept of what `run` shows. */
const OUTPUT_BYTES = 256 * 1024;

export class Agent {
  #client = new Client({ name: "projects", version: "1.0.0" });
  #run;
  #ended;
  /** What the scripts have printed, for whoever has to find out why something failed. */
  output = "";

  /** Starts `brummer-hub run SCRIPT` in a project, and a hub there; `env` is the environment of both. */
  static async start(hub, project, script, env) {
    const it = new Agent();
    const data = `${project.home}/data`;
    rmSync(data, { recursive: true, force: true });
    mkdirSync(data, { recursive: true });
    const options = ["--data-dir", data];
    it.#run = startGroup([hub, "run", script, "--port", "0", ...options], { cwd: project.directory, env, stdio: ["ignore", "pipe", "pipe"] });
    it.#ended = once(it.#run, "exit");
    const take = (text) => (it.output = (it.output + text).slice(-OUTPUT_BYTES));
    it.#run.stdout.on("data", take);
    it.#run.stderr.on("data", take);
    const changing = new Changing();
    let tools = [];
    const list = async () => {
      ({ tools } = await it.#client.listTools());
      changing.changed();
    };
    it.#client.setNotificationHandler(ToolListChangedNotificationSchema, list);
    const transport = new StdioClientTransport({ command: hub, args: ["--mcp", ...options], cwd: project.directory, env, stderr: "pipe" });
    transport.stderr.on("data", take);
    await it.#client.connect(transport, CALL);
    await list();
    const gone = it.#ended.then(() => Promise.reject(new Error(`the run has ended: ${it.output}`)));
    gone.catch(() => {});
    await Promise.race([gone, changing.until(() => tools.some(({ name }) => name === "errors_list"))]);
    return it;
  }

  /** Calls a tool, and returns the structured part of its result. */
  async call(name, args = {}) {
    const result = await this.#client.callTool({ name, arguments: args }, undefined, CALL);
    if (result.isError) throw new Error(`${name} ${JSON.stringify(args)}: ${result.content[0].text}`);
    return result.structuredContent;
  }

  /** Where the log ends now: what is waited for with it comes later. */
  async now() {
    return (await this.call("logs_tail", { limit: 1 })).cursor;
  }

  async close() {
    await this.#client.close();
    // It ends its scripts itself; only then is it sure that nothing of them is left.
    this.#run.kill("SIGTERM");
    await this.#ended;
    endGroup(this.#run, "SIGKILL");
  }
}
