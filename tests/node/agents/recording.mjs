// Makes a fixture of a recorded conversation, for tests/e2e/agents.rs: one line for each message of the client as it was
// sent, with what it had heard before, and what happened to the instances meanwhile.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const KEPT = fileURLToPath(new URL("../../recorded/", import.meta.url));

/** Writes the fixture of one agent. */
export function keep(stage, agent) {
  const files = readdirSync(stage.home).filter((name) => name.startsWith("record."));
  const read = (name) => readFileSync(`${stage.home}/${name}`, "utf8").trim().split("\n").filter(Boolean).map(JSON.parse);
  const events = read("record.events");
  const hubs = files.filter((name) => name !== "record.events").map(read);
  // Some agents ask a hub for its tools first, and start another one to use them.
  const longest = hubs.sort((a, b) => b.length - a.length)[0];
  const began = longest[0].at;
  const all = [...events, ...longest].sort((a, b) => a.at - b.at);
  const lines = all
    .filter((entry) => !endsListen(entry, all))
    .flatMap((entry) => fixture(entry, entry.at < began))
    .map((line) => line.replaceAll(stage.home, "/home/user"));
  mkdirSync(KEPT, { recursive: true });
  writeFileSync(`${KEPT}${agent}.jsonl`, `${lines.join("\n")}\n`);
}

/** Whether this is the answer to a listen, which comes when the client goes. */
function endsListen({ from, line }, all) {
  if (from !== "hub") return false;
  const { id, method } = JSON.parse(line);
  const asks = (entry) => entry.from === "client" && entry.line.includes('"subscriptions/listen"') && JSON.parse(entry.line).id === id;
  return id !== undefined && method === undefined && all.some(asks);
}

/** What the replay needs of a line: the whole of what the client sent, of the hub's lines which they were. */
function fixture({ from, line }, before) {
  if (from === "stage") return [JSON.stringify({ stage: line })];
  if (from === "start") return [JSON.stringify({ arguments: line })];
  if (before || !line.trim()) return [];
  if (from === "client") return [JSON.stringify({ client: line })];
  const { id, method, result, error } = JSON.parse(line);
  if (method) return id === undefined ? [] : [JSON.stringify({ asked: method, id })];
  return [JSON.stringify({ answered: id, ...(error ? { code: error.code } : { error: result.isError === true, content: kept(result) }) })];
}

/** The texts of an instance are the same each time; the hub's own have times and ids in them. */
function kept({ content }) {
  const text = content?.[0]?.text;
  return text && /^(Hello, |a dozen of|Rosen)/.test(text) ? text : undefined;
}
