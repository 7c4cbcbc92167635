// What a run of one agent needs around it: a home directory, the instances, and the notes of what happened to them.
import { randomUUID } from "node:crypto";
import { appendFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { performance } from "node:perf_hooks";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { endGroup, startGroup } from "../group.mjs";
import { Changing } from "../waiting.mjs";

const INSTANCE = fileURLToPath(new URL("instance.mjs", import.meta.url));
/** How long a started instance may go without a hub that greets it: agents that start a hub for each call have none. */
const GREETED_MS = 5_000;

export class Stage {
  #instances = new Map();
  #lives = new Map();

  constructor(home) {
    this.home = home;
    this.work = `${home}/work`;
    this.record = `${home}/record`;
    rmSync(home, { recursive: true, force: true });
    mkdirSync(this.work, { recursive: true });
    mkdirSync(`${home}/.local/share/brummer/instances`, { recursive: true });
    mkdirSync(`${home}/.local/share/brummer/temp`, { recursive: true });
  }

  #note(event) {
    appendFileSync(`${this.record}.events`, `${JSON.stringify({ at: performance.timeOrigin + performance.now(), from: "stage", line: event })}\n`);
  }

  /** Starts an instance, announces it, and waits until a hub has greeted it. */
  async start(name, greeted = true) {
    const life = (this.#lives.get(name) ?? 0) + 1;
    this.#lives.set(name, life);
    const child = startGroup([process.execPath, INSTANCE, name, `${life}`], { stdio: ["ignore", "pipe", "inherit"] });
    const heard = [];
    const changing = new Changing();
    createInterface(child.stdout).on("line", (line) => {
      heard.push(JSON.parse(line));
      changing.changed();
    });
    const instance = { child, until: (what) => changing.until(() => heard.find(what)) };
    this.#instances.set(name, instance);
    const { port } = await instance.until((it) => it.port);
    const path = `${this.home}/projects/${name}`;
    mkdirSync(path, { recursive: true });
    const id = randomUUID();
    const started = new Date().toISOString();
    const doorbell = { id, pid: child.pid, path, port, started, name, has_package_json: false, last_seen: started };
    const brummer = `${this.home}/.local/share/brummer`;
    writeFileSync(`${brummer}/temp/${id}.json`, JSON.stringify(doorbell), { mode: 0o600 });
    this.#note(`start ${name}`);
    renameSync(`${brummer}/temp/${id}.json`, `${brummer}/instances/${id}.json`);
    if (!greeted) return;
    const late = AbortSignal.timeout(GREETED_MS);
    await Promise.race([instance.until(({ method }) => method === "notifications/initialized"), once(late, "abort")]);
  }

  /** Waits until an instance has a call of one of its tools. */
  called(name, tool) {
    return this.#instances.get(name).until((it) => it.method === "tools/call" && it.tool === tool);
  }

  async kill(name) {
    const { child } = this.#instances.get(name);
    if (child.exitCode !== null || child.signalCode !== null) return;
    this.#note(`kill ${name}`);
    endGroup(child, "SIGKILL");
    await once(child, "exit");
  }

  async close() {
    for (const { child } of this.#instances.values()) endGroup(child, "SIGKILL");
  }
}
