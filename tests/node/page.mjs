// Tables in docs that a chore makes: they stand between two marks, and rows of what was not run this time stay.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Replaces the rows whose first cell is the same, and adds the others. `order` has the first cells of all that there can be. */
export function updateTable(name, chore, head, rows, order) {
  const page = fileURLToPath(new URL(`../../docs/${name}`, import.meta.url));
  const [begin, end] = [`<!-- begin: ${chore} -->`, `<!-- end: ${chore} -->`];
  const text = readFileSync(page, "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${page} has no ${begin} … ${end}`);
  const old = text.slice(from, to).split("\n").filter((line) => line.startsWith("| ")).slice(1);
  const kept = new Map(old.map((line) => [line.split(" | ")[0].slice(2), line]));
  for (const row of rows) kept.set(row[0], `| ${row.map(clean).join(" | ")} |`);
  const lines = order.map((first) => kept.get(first)).filter(Boolean);
  const table = [`| ${head.join(" | ")} |`, `|${"---|".repeat(head.length)}`, ...lines].join("\n");
  writeFileSync(page, `${text.slice(0, from)}${begin}\n\n${table}\n\n${text.slice(to)}`);
  console.log(table);
}

/** A cell: one line, without what would end it, and without the paths of this machine. */
const clean = (cell) => `${cell}`.replace(/\s+/g, " ").replaceAll("|", "\\|").replaceAll(fileURLToPath(new URL("../..", import.meta.url)), "");
