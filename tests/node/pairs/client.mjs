// Runs the script of the pairs with one of the official TypeScript clients and prints what came of each step:
// `{"step":{"result":…,"asked":[…],"heard":[…]}}`, or `"error"` for the result.
//
//   node client.mjs CLIENT PREFIX INSTANCE URL | COMMAND [ARGUMENT…]
//
// CLIENT is one of those below. PREFIX is what stands before the names of tools and prompts where the client is served;
// it is cut off what comes back. PAIRS_LOST in the environment names the steps that hear less than they should. INSTANCE is
// the id that a hub lists it by, or nothing for a direct connection.
import { readFileSync } from "node:fs";

import { Told } from "./client-common.mjs";
import * as first from "./client-v1.mjs";
import * as second from "./client-v2.mjs";

const clients = {
  "ts-v1": (told) => first.client(told),
  "ts-v2-legacy": (told) => second.client(told, "legacy"),
  "ts-v2-auto": (told) => second.client(told, "auto"),
  "ts-v2-modern": (told) => second.client(told, { pin: "2026-07-28" }),
};
const [which, prefix, instance, ...where] = process.argv.slice(2);
const script = JSON.parse(readFileSync(new URL("script.json", import.meta.url), "utf8"));

const told = new Told();
/** Far longer than the script takes, so that a step that waits for ever is named. */
const PATIENCE_MS = 90_000;

let current = "connecting";
setTimeout(() => {
  process.stderr.write(`${which}: nothing more happens in "${current}"\n`);
  process.exit(1);
}, PATIENCE_MS).unref();
const it = clients[which](told);
await it.connect(where);
if (instance) await connected();

const own = (item) => !(item.name ?? "").startsWith("instances_") && !(item.uri ?? "").startsWith("brummer:");
const bare = (item) => (item.name?.startsWith(prefix) ? { ...item, name: item.name.slice(prefix.length) } : item);
const list = async (what) => (await it.list(what)).filter(own).map(prefix ? bare : (item) => item);
const call = (tool, args, options = {}) => it.call(prefix + tool, args, options);
/** How many calls the server knows to be cancelled, once they are more than `above`. */
const cancellations = async (above) => Number((await call("cancellations", { above })).content[0].text);

const steps = {
  // The servers are shared, and each run adds a tool.
  list: async ({ what }) => (await list(what)).filter(({ name }) => !name.startsWith("added_")),
  call: ({ tool, arguments: args, progress }) => call(tool, args, { progress }),
  // Cancelled at its first progress; whether the server has heard of it is waited for.
  async cancel({ tool, arguments: args }) {
    const before = await cancellations();
    const error = await it.cancelled(prefix + tool, args);
    await cancellations(before);
    told.heard.length = 0;
    return { error };
  },
  read: ({ uri }) => it.read(uri),
  async follow({ uri, tool, arguments: args }) {
    const stop = await it.follow(uri);
    await call(tool, args);
    const updated = await told.hears(({ method }) => method === "notifications/resources/updated");
    await stop();
    return updated;
  },
  prompt: ({ prompt, arguments: args }) => it.prompt(prefix + prompt, args),
  complete: ({ params: { ref, ...rest } }) =>
    it.complete({ ...rest, ref: ref.name === undefined ? ref : { ...ref, name: prefix + ref.name } }),
  log: ({ level, tool, arguments: args }) => it.log(level, prefix + tool, args),
  async grow({ tool, arguments: args }) {
    const before = await list("tools");
    const stop = await it.follow("tools");
    await call(tool, args);
    await told.hears(({ method }) => method === "notifications/tools/list_changed");
    const after = await list("tools");
    await stop();
    told.heard.length = 0;
    return after.length - before.length;
  },
};

/** Waits until the hub has found the instance, and connects the session to it where a session can be. */
async function connected() {
  await it.active(instance);
  if (prefix) return;
  const answer = await it.call("instances_connect", { instance_id: instance }, {});
  if (answer.isError) throw new Error(JSON.stringify(answer));
}

const outcomes = {};
for (const step of script) {
  told.begin(step.answer);
  current = step.name;
  let outcome;
  try {
    outcome = { result: (await steps[step.do](step)) ?? null };
    const lost = process.env.PAIRS_LOST === step.do;
    if (!lost) await told.hearsAtLeast(step.hears ?? 0);
  } catch (error) {
    outcome = { error: { code: error.code, message: String(error.message), data: error.data } };
  }
  // The hub's own list may change while it finds the instance; the step that is about changes has waited for them.
  const heardOnce = told.heard.filter(({ method }) => method !== "notifications/tools/list_changed");
  // A copy, since what was told goes on growing.
  outcomes[step.name] = structuredClone({ ...outcome, asked: told.asked, heard: heardOnce });
}
await it.close();
// A pipe takes it piece by piece.
process.stdout.write(JSON.stringify(outcomes), () => process.exit(0));
