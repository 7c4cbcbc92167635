// The table of docs/AGENTS.md.
import { updateTable } from "../page.mjs";
import { AGENTS } from "./agents.mjs";
import { TASKS } from "./tasks.mjs";

/** Replaces the rows of the agents that were run. */
export function writeTable(rows) {
  const head = ["agent", "seen", ...TASKS.map(({ title }) => title)];
  updateTable("AGENTS.md", "cargo xtask agents", head, rows.map(printed), AGENTS.map(({ title }) => title));
}

function printed({ agent, version, outcomes = [], problem }) {
  const cells = TASKS.map(({ steps }, index) =>
    cell(outcomes.filter(({ task }) => task === index), steps.filter(({ optional }) => !optional).length),
  );
  // Where it stopped is said in the first cell that has nothing.
  if (problem) cells[cells.indexOf(NOTHING)] = problem;
  return [agent.title, `${version}, ${new Date().toISOString().slice(0, 7)}`, ...cells];
}

const NOTHING = "–";

/** What the model was given, and by which way when not by the tool's own name. */
function cell(outcomes, steps) {
  if (outcomes.length < steps) return NOTHING;
  const lacking = outcomes.find(({ saw }) => !saw);
  if (lacking) return `**no** (${lacking.way})`;
  const ways = new Set(outcomes.map(({ way }) => way).filter((way) => way !== "own name"));
  return [outcomes.at(-1).saw, ...ways].join(", ");
}
