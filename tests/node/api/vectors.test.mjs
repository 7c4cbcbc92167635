// The shared cases of tests/vectors, through the addon. The README there says what the members mean.
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { Hub, HubError, register } from "../../../npm/brummer-hub/index.mjs";
import { stage } from "./stage.mjs";
import { directory, readJson, root, until } from "./support.mjs";

const folder = path.join(root, "tests/vectors");
const files = readdirSync(folder).filter((file) => file.endsWith(".json"));
const all = files.flatMap((file) => readJson(path.join(folder, file)).cases);
const cases = all.filter(({ only }) => only?.includes("node") ?? true);

/** What a case runs in. */
class World {
  ports = {};
  #home;

  constructor(home) {
    this.#home = home;
    this.dataDir = path.join(home, "data");
    mkdirSync(path.join(this.dataDir, "instances"), { recursive: true, mode: 0o700 });
  }

  project(name) {
    const project = path.join(this.#home, name);
    mkdirSync(project, { recursive: true });
    return project;
  }

  /** Writes the file of an instance as any program might. */
  announce(name) {
    const [id, now] = [`${name}-${process.pid}`, new Date().toISOString()];
    const place = { path: this.project(name), port: this.ports[name], pid: process.pid };
    const doorbell = { id, name, ...place, started: now, last_seen: now, has_package_json: false };
    const file = path.join(this.dataDir, "instances", `${id}.json`);
    writeFileSync(file, JSON.stringify(doorbell), { mode: 0o600 });
  }
}

/** The hub, with a session, as a surface of the cases. */
class Surface {
  #hub;
  #session;
  #registration;

  static async start(world) {
    const surface = new Surface();
    surface.#hub = await Hub.start({ dataDir: world.dataDir });
    surface.#session = await surface.#hub.session();
    return surface;
  }

  get hub() {
    return this.#hub;
  }

  async perform(world, step) {
    const timeout = step.timeout_ms;
    switch (step.do) {
      case "list":
        return { instances: this.#hub.instances().map(snakeCase) };
      case "call":
        return this.#session.callTool(step.tool, step.arguments, { instance: step.instance, timeout });
      case "request":
        return this.#session.request(step.method, step.params, { timeout });
      case "connect":
        await this.#session.connect(step.instance);
        return { structuredContent: { instance: this.#session.instance } };
      case "disconnect":
        return this.#session.disconnect();
      case "register": {
        const { dataDir, ports } = world;
        const [name, port] = [step.server, ports[step.server]];
        this.#registration = register({ name, port, path: world.project(name), dataDir });
        return undefined;
      }
      case "unregister":
        return this.#registration.close();
      default:
        throw new Error(`nobody knows how to \`${step.do}\``);
    }
  }

  async end() {
    await this.#registration?.close();
    await this.#session.close();
    await this.#hub.close();
  }
}

/** Members as the cases spell them. */
function snakeCase(instance) {
  const spelled = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.fromEntries(Object.entries(instance).map(([name, value]) => [spelled(name), value]));
}

/** How a step ends: its status, and what goes with it. */
async function outcome(surface, world, step) {
  try {
    return { status: "OK", value: await surface.perform(world, step) };
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    return { status: error.code.replace("ERR_BH_", ""), code: error.rpcCode, message: error.message };
  }
}

/** RFC 6901; `null` where nothing is. */
function at(value, pointer) {
  const keys = pointer.split("/").slice(1).map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
  return keys.reduce((inner, key) => inner?.[key], value) ?? null;
}

/** What is not as expected. */
function differs({ status = "OK", code, message, value = {} } = {}, found) {
  if (found.status !== status) return `${found.status} instead of ${status}: ${found.message}`;
  if (code !== undefined && found.code !== code) return `code ${found.code} instead of ${code}`;
  if (message !== undefined && !found.message?.includes(message)) return `\`${found.message}\` lacks \`${message}\``;
  for (const [pointer, wanted] of Object.entries(value)) {
    const there = at(found.value, pointer);
    if (!isDeepStrictEqual(there, wanted)) return `${pointer} is ${JSON.stringify(there)}, not ${JSON.stringify(wanted)}`;
  }
  return undefined;
}

async function run(t, { servers = [], announced = [], steps }) {
  const world = new World(directory());
  for (const server of servers) world.ports[server] = await stage(t);
  for (const server of announced) world.announce(server);
  const surface = await Surface.start(world);
  for (const [number, step] of steps.entries()) {
    const difference = async () => differs(step.expect, await outcome(surface, world, step));
    const what = `step ${number + 1}, ${step.do}`;
    if (step.do !== "list") assert.equal(await difference(), undefined, what);
    // A list may take its time: it is looked at again whenever something happens.
    else await until(surface.hub, async () => !(await difference()), what);
  }
  await surface.end();
}

test("the shared cases hold for the addon", async (t) => {
  assert.ok(cases.length >= 8, `only ${cases.length} cases were found`);
  for (const each of cases) await t.test(each.name, (inner) => run(inner, each));
});
