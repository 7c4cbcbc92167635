// `node run.mjs --hub EXECUTABLE --cache DIRECTORY [--update] [TITLE…]`: runs real servers, each once for a client of its own
// and once for the hub, and writes the table of docs/SERVERS.md. `cargo xtask zoo` calls it. A title may be a part of one.
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { cpSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual, parseArgs } from "node:util";
import { endGroup, startGroup } from "../group.mjs";
import { Installed } from "../installed.mjs";
import { updateTable } from "../page.mjs";
import { PLACES } from "./places.mjs";
import { steps, straight, through } from "./script.mjs";
import { SERVERS } from "./servers.mjs";

const PROGRAMS = fileURLToPath(new URL("programs", import.meta.url));
/** How long a server may take until it listens: some compile first. */
const START_MS = 120_000;
/** How often it is tried whether it does. */
const TRY_MS = 100;
/** What all steps of one side may take. */
const SIDE_MS = 180_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { hub: { type: "string" }, cache: { type: "string" }, update: { type: "boolean" } },
});
const wanted = SERVERS.filter(({ title }) => positionals.length === 0 || positionals.some((part) => title.includes(part)));
if (wanted.length === 0) {
  console.error(`there is no such server; there are:\n${SERVERS.map(({ title }) => `  ${title}`).join("\n")}`);
  process.exit(2);
}

/** A port that nobody listens on. */
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Waits until somebody listens on a port, or the server has ended. */
async function listening(port, child) {
  const late = Date.now() + START_MS;
  while (Date.now() < late && child.exitCode === null) {
    const socket = connect(port, "127.0.0.1");
    const there = await once(socket, "connect").then(() => true, () => false);
    socket.destroy();
    if (there) return;
    await sleep(TRY_MS);
  }
  throw new Error("it does not start");
}

/** Runs a server while `use` uses it. */
async function running(entry, place, use) {
  const project = place.directory;
  const home = `${project}/home`;
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  cpSync(PROGRAMS, `${project}/programs`, { recursive: true });
  for (const [name, text] of Object.entries(entry.files ?? {})) {
    mkdirSync(dirname(`${project}/${name}`), { recursive: true });
    writeFileSync(`${project}/${name}`, text);
  }
  const port = await freePort();
  const env = { ...place.env(home), PID_FILE: `${home}/pid`, ...entry.env?.(port) };
  const log = openSync(`${home}/log`, "w");
  const child = startGroup(entry.command(port), { cwd: project, env, stdio: ["ignore", log, log] });
  const ended = once(child, "exit").catch((error) => [error]);
  try {
    await listening(port, child);
    const pid = entry.pidFile ? Number(readFileSync(env.PID_FILE, "utf8")) : child.pid;
    return await use({ port, pid, home, project });
  } finally {
    endGroup(child, "SIGTERM");
    await Promise.race([ended, sleep(5_000)]);
    endGroup(child, "SIGKILL");
    await ended;
  }
}

/** Announces the server as it would itself. */
function announce(entry, { port, pid, home, project }) {
  const id = randomUUID();
  const data = `${home}/data`;
  const started = new Date().toISOString();
  const doorbell = { id, pid, path: project, port, started, name: "zoo", has_package_json: false, last_seen: started, endpoint: entry.endpoint ?? "/mcp" };
  for (const directory of ["temp", "instances"]) mkdirSync(`${data}/${directory}`, { recursive: true });
  writeFileSync(`${data}/temp/${id}.json`, JSON.stringify(doorbell), { mode: 0o600 });
  renameSync(`${data}/temp/${id}.json`, `${data}/instances/${id}.json`);
  return { id, data };
}

/** What a server without a handshake says with each result besides; the hub leaves it there for clients with one. */
const ERA = ["resultType", "ttlMs", "cacheScope"];

/** A result as a client with a handshake understands it. */
function understood(result) {
  if (Array.isArray(result)) return result.map(plain);
  if (result.resultType === undefined) return result;
  const { _meta = {}, ...rest } = Object.fromEntries(Object.entries(result).filter(([key]) => !ERA.includes(key)));
  const meta = Object.entries(_meta).filter(([key]) => !key.startsWith("io.modelcontextprotocol/"));
  return meta.length ? { _meta: Object.fromEntries(meta), ...rest } : rest;
}

/** An item of a list. That a tool cannot run as a task goes without saying. */
function plain({ execution, ...item }) {
  return execution === undefined || isDeepStrictEqual(execution, { taskSupport: "forbidden" }) ? item : { execution, ...item };
}

/** What a client gets of each step. */
async function walk(entry, it, port) {
  const results = {};
  for (const [name, step] of steps(entry.calls)) {
    results[name] = await step(it).then(
      (result) => ({ result: understood(JSON.parse(JSON.stringify(result).replaceAll(`${port}`, "PORT"))) }),
      ({ code, message }) => ({ error: { code, message } }),
    );
  }
  return results;
}

/** What `side` gets, or why it gets nothing. */
async function side(entry, place, connectTo) {
  const late = new AbortController();
  const timeout = sleep(SIDE_MS, undefined, { signal: late.signal }).then(() => {
    throw new Error("it took too long");
  });
  const use = async (server) => {
    const it = await connectTo(server);
    try {
      return { steps: await walk(entry, it, server.port), log: it.log };
    } finally {
      await it.close();
    }
  };
  try {
    return await running(entry, place, (server) => Promise.race([use(server), timeout]));
  } catch (error) {
    return { failed: error.message };
  } finally {
    timeout.catch(() => {});
    late.abort();
  }
}

async function attempt(entry) {
  const place = new Installed(`${values.cache}/${entry.place}`, PLACES[entry.place]);
  const failed = place.prepare(values.update);
  if (failed) return { entry, version: "–", direct: `cannot be installed: ${failed}` };
  const version = entry.package ? place.version(entry.package) : "–";
  const path = entry.endpoint ?? "/mcp";
  const direct = await side(entry, place, ({ port }) => straight(new URL(`http://${entry.host ?? "127.0.0.1"}:${port}${path}`), path.endsWith("/sse")));
  const hub = await side(entry, place, (server) => {
    const { id, data } = announce(entry, server);
    return through(values.hub, data, id);
  });
  return { entry, version, direct, hub };
}

/** What the hub says of what it could not get done: of a call in its result, of anything else in an error of JSON-RPC. */
const unmet = ({ result, error }) => (result?.isError ? result.content[0].text : error?.code === -32603 ? error.message : undefined);

/** Where a client of HTTP throws the connection's end or a status, the hub says it in words. */
function same(direct, hub) {
  const { code } = direct.error ?? {};
  if (direct.error && code === undefined) return unmet(hub) !== undefined;
  if (code >= 100 && code < 600) return unmet(hub)?.includes(`HTTP status ${code}`) === true;
  return isDeepStrictEqual(direct, hub);
}

/** From shortly before the first difference on. */
function excerpt(value, other) {
  const [text, against] = [JSON.stringify(value), JSON.stringify(other)];
  const at = [...text].findIndex((character, index) => character !== against[index]);
  return text.slice(Math.max(0, at - 60), at + 140);
}

/** Where the hub gives something else than the server: "step: this, not that". */
function differences({ direct, hub }) {
  return Object.keys(direct.steps)
    .filter((name) => !same(direct.steps[name], hub.steps[name]))
    .map((name) => `${name}: ${excerpt(hub.steps[name], direct.steps[name])} instead of ${excerpt(direct.steps[name], hub.steps[name])}`);
}

function verdict(row) {
  if (typeof row.direct === "string") return [row.direct, "–", true];
  if (row.direct.failed) return [`no: ${row.direct.failed}`, row.hub.failed ? `no: ${row.hub.failed}` : "yes", true];
  const answered = Object.values(row.direct.steps).filter(({ result }) => result).length;
  const tools = row.direct.steps.tools.result?.length ?? 0;
  const works = `${tools} tool${tools === 1 ? "" : "s"}, ${answered} of ${Object.keys(row.direct.steps).length} steps`;
  if (row.hub.failed) return [works, `**no**: ${row.hub.failed}`, false];
  const different = differences(row);
  for (const difference of different) console.error(`  ${difference}`);
  return different.length ? [works, `**differs**: ${different.map((it) => it.split(":")[0]).join(", ")}`, false] : [works, row.hub.log ? "the same, with a warning" : "the same", true];
}

const rows = [];
let good = true;
for (const entry of wanted) {
  console.error(`${entry.title} …`);
  const row = await attempt(entry);
  const [direct, hub, fine] = verdict(row);
  good &&= fine;
  console.error(`  ${row.version}: ${direct} | ${hub}`);
  if (row.hub?.log) console.error(row.hub.log.replace(/^/gm, "    "));
  rows.push([entry.title, row.version, direct, hub]);
}
updateTable("SERVERS.md", "cargo xtask zoo", ["server", "version", "straight", "through the hub"], rows, SERVERS.map(({ title }) => title));
process.exit(good ? 0 : 1);
