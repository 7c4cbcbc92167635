// `node run.mjs --hub EXECUTABLE --cache DIRECTORY [--update] [--record] [--keep] [AGENT…]`: gives each agent the eight tasks, in a
// home of its own, and writes the table of docs/AGENTS.md; --record keeps what they sent as tests/recorded. `cargo xtask agents` calls it.
import { parseArgs } from "node:util";
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { AGENTS } from "./agents.mjs";
import { Installed } from "../installed.mjs";
import { startModel } from "./model.mjs";
import { Stage } from "./stage.mjs";
import { Walk } from "./walk.mjs";
import { TASKS } from "./tasks.mjs";
import { keep } from "./recording.mjs";
import { writeTable } from "./table.mjs";

const TAP = fileURLToPath(new URL("tap.mjs", import.meta.url));
/** What one agent may take for all tasks. */
const PATIENCE_MS = 240_000;
/** Some agents now and then ask their model before their servers have answered. */
const TRIES = 3;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    hub: { type: "string" },
    cache: { type: "string" },
    update: { type: "boolean" },
    record: { type: "boolean" },
    keep: { type: "boolean" },
  },
});
const unknown = positionals.filter((id) => !AGENTS.some((agent) => agent.id === id));
if (unknown.length) {
  console.error(`there is no agent ${unknown.join(", ")}; there are ${AGENTS.map(({ id }) => id).join(", ")}`);
  process.exit(2);
}

/** The hub as an agent starts it: where its executable was when it was installed, there is a tap now. */
function tap(it, agent) {
  const hub = `${it.home}/bin/brummer-hub`;
  mkdirSync(dirname(hub), { recursive: true });
  copyFileSync(values.hub, hub);
  if (agent.install) {
    const { status, output } = it.run([hub, "install", agent.install]);
    if (status !== 0) throw new Error(`brummer-hub install ${agent.install}: ${output}`);
  }
  rmSync(hub);
  writeFileSync(hub, `#!/bin/sh\nexec '${process.execPath}' '${TAP}' '${values.hub}' '${it.record}' "$@"\n`, { mode: 0o755 });
  return hub;
}

async function attempt(agent, tries = TRIES) {
  const installed = new Installed(`${values.cache}/${agent.id}`, agent);
  const failed = installed.prepare(values.update);
  if (failed) return { agent, version: "–", problem: `cannot be installed: ${failed}` };
  // Outside of this repository, which would be the agent's project otherwise.
  const stage = new Stage(`${tmpdir()}/brummer-agents/${agent.id}`);
  const walk = new Walk(stage);
  const model = await startModel((heard) => walk.next(heard));
  const url = `http://127.0.0.1:${model.port}`;
  const it = { home: stage.home, work: stage.work, record: stage.record, url, hub: `${stage.home}/bin/brummer-hub` };
  const env = { ...installed.env(stage.home), ...agent.env?.(it) };
  it.run = (command) => installed.run(command, { cwd: it.work, env });
  try {
    for (const [name, text] of Object.entries(agent.files?.(it) ?? {})) {
      mkdirSync(dirname(`${it.home}/${name}`), { recursive: true });
      writeFileSync(`${it.home}/${name}`, text);
    }
    for (const command of agent.setup?.(it) ?? []) it.run(command);
    tap(it, agent);
    await stage.start("shop", false);
    const output = await installed.watch(agent.command(it), { cwd: it.work, env, patience: PATIENCE_MS, done: walk.done });
    writeFileSync(`${it.home}/output.txt`, output);
    writeFileSync(`${it.home}/outcomes.json`, JSON.stringify({ outcomes: walk.outcomes, offered: [...walk.offered] }, null, 2));
    if (walk.early && tries > 1) return await attempt(agent, tries - 1);
    const problem = walk.finished ? undefined : `stopped after ${walk.outcomes.length} calls: ${lastLine(output)}`;
    if (values.record && !problem) keep(stage, agent.id);
    if (problem || values.keep) console.error(`  what it printed and saw is kept in ${it.home}`);
    else rmSync(it.home, { recursive: true, force: true });
    return { agent, version: installed.version(), outcomes: walk.outcomes, problem };
  } finally {
    model.close();
    await stage.close();
  }
}

/** The last line that speaks of an error, or the last one. */
function lastLine(output) {
  const lines = output.trim().split("\n");
  return (lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1)).trim().slice(0, 200);
}

const wanted = AGENTS.filter(({ id }) => positionals.length === 0 || positionals.includes(id));
const rows = [];
for (const agent of wanted) {
  console.error(`${agent.title} …`);
  const row = await attempt(agent).catch((error) => ({ agent, version: "–", problem: error.message }));
  rows.push(row);
  console.error(`  ${row.version} ${row.problem ?? "all tasks done"}`);
  for (const { task, way, saw, name } of row.outcomes ?? []) console.error(`  ${TASKS[task].title}: ${way} ${name}: ${saw || "NOTHING"}`);
}
writeTable(rows);
