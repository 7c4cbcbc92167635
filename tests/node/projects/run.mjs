// `node run.mjs --hub EXECUTABLE --cache DIRECTORY [--update] [--write] [--light NODE_MODULES] [--show] [PROJECT[:WAY]…]`: makes
// an error in each way in real projects, reads it as an agent does, mends it, and sees that it is gone. It writes the table of
// docs/RUN.md with --write. With --light, only what needs no packages but those of this directory, and no browser.
// `cargo xtask projects` calls it.
import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Agent } from "./agent.mjs";
import { chromium, open } from "./browser.mjs";
import { FRAMEWORKS } from "./frameworks.mjs";
import { Installed } from "../installed.mjs";
import { updateTable } from "../page.mjs";

const REPOSITORY = fileURLToPath(new URL("../../..", import.meta.url));
const TEMPLATES = fileURLToPath(new URL("templates", import.meta.url));
/** What dev servers may take until they serve: some compile much before. */
const READY_S = 180;
/** What a tool may take until it has told of an error, or that there is none. */
const TOLD_S = 120;
/** How long it is waited before the page is asked for again. */
const AGAIN_S = 3;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    hub: { type: "string" },
    cache: { type: "string" },
    update: { type: "boolean" },
    write: { type: "boolean" },
    light: { type: "string" },
    show: { type: "boolean" },
  },
});

/** What is asked for: projects, each with some of its ways. */
function wanted() {
  const chosen = positionals.map((it) => it.split(":"));
  const unknown = chosen.find(([name]) => !FRAMEWORKS.some((framework) => framework.name === name));
  if (unknown) throw new Error(`there is no project ${unknown[0]}; there are ${FRAMEWORKS.map(({ name }) => name).join(", ")}`);
  return FRAMEWORKS.filter(({ name, light }) => (chosen.length ? chosen.some((it) => it[0] === name) : light || !values.light)).map((framework) => {
    const only = chosen.filter(([name, way]) => name === framework.name && way).map(([, way]) => way);
    return { ...framework, ways: framework.ways.filter(({ way }) => only.length === 0 || only.includes(way)) };
  });
}

/** The project's files, in a directory of their own, with its packages. */
class Project {
  constructor({ name, links = {} }) {
    const template = `${TEMPLATES}/${name}`;
    this.home = `${values.cache}/${name}.home`;
    const declared = JSON.parse(readFileSync(`${template}/package.json`, "utf8"));
    const npm = Object.entries({ ...declared.dependencies, ...declared.devDependencies }).map(([it, version]) => `${it}@${version}`);
    this.installed = new Installed(`${values.cache}/${name}`, { npm });
    if (values.light) {
      // Packages are looked for above, too.
      rmSync(this.installed.directory, { recursive: true, force: true });
      mkdirSync(this.installed.directory, { recursive: true });
      rmSync(`${values.cache}/node_modules`, { force: true });
      symlinkSync(values.light, `${values.cache}/node_modules`, "junction");
    } else {
      const failed = this.installed.prepare(values.update);
      if (failed) throw new Error(`it cannot be installed: ${failed}`);
    }
    rmSync(this.home, { recursive: true, force: true });
    mkdirSync(this.home, { recursive: true });
    for (const [own, path] of Object.entries(links)) {
      const link = `${this.installed.directory}/node_modules/${own}`;
      rmSync(link, { recursive: true, force: true });
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(`${REPOSITORY}/${path}`, link, "junction");
    }
    this.directory = realpathSync(this.installed.directory);
    cpSync(template, this.directory, { recursive: true });
  }

  env() {
    const own = { BRUMMER_DATA_DIR: undefined, AI_AGENT: undefined, NO_COLOR: undefined, FORCE_COLOR: undefined, CI: undefined };
    const path = [dirname(process.execPath), process.env.PATH].join(delimiter);
    const quiet = { NEXT_TELEMETRY_DISABLED: "1", NUXT_TELEMETRY_DISABLED: "1", ASTRO_TELEMETRY_DISABLED: "1", STORYBOOK_DISABLE_TELEMETRY: "1", npm_config_update_notifier: "false" };
    const env = { ...process.env, ...own, ...quiet, PATH: path, HOME: this.home };
    return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined));
  }

  /** Replaces a part of a file, and returns what puts it back. */
  edit({ file, from, to }) {
    const path = join(this.directory, file);
    const right = readFileSync(path, "utf8");
    if (right.split(from).length !== 2) throw new Error(`${file} has ${JSON.stringify(from)} not once`);
    writeFileSync(path, right.replace(from, () => to));
    return () => writeFileSync(path, right);
  }

  /** The file and the rest of a place, the file as seen from the project if it is there. */
  place(text = "") {
    const [, file, rest] = /^(.*?)((?::\d+)*)$/.exec(text);
    const path = join(file.startsWith(this.directory) ? "" : this.directory, file);
    return existsSync(path) ? `${path.slice(this.directory.length + 1)}${rest}` : text;
  }
}

/** An error is read, mended, and gone. Returns the row of the table, and what is not as it should be. */
async function attempt(project, agent, server, it) {
  const script = it.by ?? "dev";
  const wrong = [];
  let page;
  const provoke = async () => {
    for (const path of it.get ?? []) {
      const headers = { accept: path.includes(".") ? "*/*" : "text/html" };
      await fetch(`${server}${path}`, { headers }).then((answer) => answer.text(), () => {});
    }
  };
  let mend;
  /** Waits, and asks for the page, again and again: the watcher of a dev server may hear of an edit after the request. */
  const asking = async (wait) => {
    const late = performance.now() + TOLD_S * 1000;
    while (performance.now() < late) {
      if (await wait(it.get ? AGAIN_S : TOLD_S)) return true;
      await provoke();
    }
    return false;
  };
  const built = (cursor, timeoutSeconds) => agent.call("wait_until", { clean: script, cursor, timeoutSeconds });
  const reads = async (begun, rest) => ({ ...rest, took: performance.now() - begun, ...(await agent.call("errors_list")) });
  /** Runs the script to its end. */
  const runs = async (cursor) => {
    await agent.call("scripts_run", { name: script });
    const { met } = await built(cursor, TOLD_S);
    // All that belongs to an error has been told then.
    await agent.call("wait_until", { exit: script, timeoutSeconds: TOLD_S });
    return met;
  };
  /** Makes the error, and waits until it is told. */
  const broken = async () => {
    const cursor = await agent.now();
    const begun = performance.now();
    mend = project.edit(it);
    if (it.by) return reads(begun, { clean: await runs(cursor) });
    if (it.open) page ??= open(`${server}${it.open}`, `${project.home}/profile`, project.env());
    await provoke();
    const told = await asking(async (timeoutSeconds) => (await agent.call("wait_until", { log: it.says, cursor, timeoutSeconds })).met);
    return reads(begun, { clean: told ? (await built(cursor, TOLD_S)).met : undefined });
  };
  /** Mends it, and waits until the script says that all is well. */
  const mended = async () => {
    let cursor = await agent.now();
    const begun = performance.now();
    mend();
    mend = undefined;
    if (it.restart) await agent.call("scripts_restart", { processId: script });
    if (it.by) return reads(begun, { clean: await runs(cursor) });
    const clean = await asking(async (timeoutSeconds) => {
      const { met, build } = await built(cursor, timeoutSeconds);
      // What was served from before the edit has failed once more.
      if (build && !met) cursor = await agent.now();
      return met;
    });
    return reads(begun, { clean: clean || undefined });
  };
  try {
    // It is well before; a dev server knows what it has served.
    await provoke();
    if (it.loaded) {
      const cursor = await agent.now();
      page = open(`${server}${it.open}`, `${project.home}/profile`, project.env());
      await agent.call("wait_until", { log: it.loaded, cursor, timeoutSeconds: TOLD_S });
    }
    const first = await broken();
    if (values.show) console.error(JSON.stringify(first.errors, null, 2));
    if (first.clean !== false) wrong.push(`broken: the build is ${first.clean === undefined ? "not told of" : "clean"}`);
    if (first.errors.length !== 1) wrong.push(`${first.errors.length} errors instead of one: ${first.errors.map(({ message, place }) => `${message} (${place})`).join("; ")}`);
    const error = first.errors.find(({ message }) => it.tells.message.test(message)) ?? first.errors[0] ?? {};
    const place = /^[\d:]*$/.test(it.tells.place) ? `${it.file}:${it.tells.place}` : it.tells.place;
    const is = { message: error.message, kind: error.kind ?? undefined, place: project.place(error.place ?? ""), browser: error.browser ?? false, script: error.processName };
    const should = { kind: it.tells.kind, place: place ?? "", browser: it.tells.browser ?? false, script };
    if (!it.tells.message.test(is.message)) wrong.push(`the message is ${JSON.stringify(is.message)}`);
    for (const [name, value] of Object.entries(should)) if (is[name] !== value) wrong.push(`${name} is ${is[name]} instead of ${value}`);
    const then = await mended();
    if (then.clean !== true) wrong.push(`mended: the build is ${then.clean === undefined ? "not told of" : "failing"}`);
    const left = then.errors.map(({ message }) => message);
    if (left.length) wrong.push(`mended, and there is still: ${left.join("; ")}`);
    const state = then.scripts.find(({ processName }) => processName === script)?.build;
    if (state !== "clean") wrong.push(`mended, and errors_list says ${state}`);
    return { it, told: is, took: first.took, gone: left.length ? undefined : then.took, wrong };
  } catch (error) {
    return { it, wrong: [...wrong, error.message] };
  } finally {
    mend?.();
    await page?.close();
  }
}

/** The URL at which the dev server serves. */
async function serving(agent) {
  await agent.call("wait_until", { log: "https?://(localhost|127\\.0\\.0\\.1|\\[::1\\]):[0-9]+", regex: true, processId: "dev", timeoutSeconds: READY_S });
  const { processes } = await agent.call("scripts_status", { name: "dev" });
  const [{ url }] = processes[0].urls;
  const base = new URL(url).origin;
  await agent.call("wait_until", { url: base, processId: "dev", timeoutSeconds: READY_S });
  return base;
}

function version(project, tool) {
  if (tool === "node") return process.versions.node;
  // What there is besides is of no interest to anybody who has no table.
  return values.light ? undefined : project.installed.version(tool);
}

async function framework(it) {
  const project = new Project(it);
  const agent = await Agent.start(values.hub, project, "dev", project.env());
  const rows = [];
  try {
    let server = await serving(agent);
    for (const way of it.ways) {
      if (way.open && (values.light || !chromium)) {
        console.error(`  ${way.way}: left out, ${chromium ? "as it takes a browser" : "for there is no Chromium; CHROMIUM names one"}`);
        continue;
      }
      const row = await attempt(project, agent, server, way);
      if (way.restart) server = await serving(agent);
      rows.push({ ...row, version: version(project, way.tool ?? it.package) });
      console.error(`  ${way.way}: ${row.wrong.length ? "WRONG" : `told after ${Math.round(row.took)} ms, gone after ${Math.round(row.gone)} ms`}`);
      for (const what of row.wrong) console.error(`    ${what}`);
    }
  } finally {
    if (values.show) console.error(agent.output);
    await agent.close();
  }
  return rows;
}

let failed = false;
const rows = [];
for (const it of wanted()) {
  console.error(`${it.title} …`);
  const found = await framework(it).catch((error) => {
    console.error(`  WRONG: ${error.message}`);
    failed = true;
    return [];
  });
  failed ||= found.some(({ wrong }) => wrong.length > 0);
  rows.push(...found.filter(({ told }) => told).map((row) => [it, row]));
}
if (values.write) {
  const seconds = (value) => (value === undefined ? "**no**" : `${(value / 1000).toFixed(1)} s`);
  const cells = rows.map(([{ title, package: own }, { it, told, took, gone, version }]) => [
    `${title}, ${it.way}`,
    `\`${it.by ?? "dev"}\` (${it.tool ?? own} ${version})`,
    told.message,
    told.place || "–",
    seconds(took),
    it.restart ? `${seconds(gone)}, but only by \`scripts_restart\`` : seconds(gone),
  ]);
  const order = FRAMEWORKS.flatMap(({ title, ways }) => ways.map(({ way }) => `${title}, ${way}`));
  updateTable("RUN.md", "cargo xtask projects", ["error", "script", "`errors_list` says", "place", "told after", "gone after"], cells, order);
}
process.exitCode = failed ? 1 : 0;
