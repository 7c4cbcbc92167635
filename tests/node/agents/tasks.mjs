// The eight tasks that each agent is given. A step is a tool that the model calls: one of the hub's (`hub`), or one of
// an instance's (`instance`, `tool`). One that is `optional` is left out where it is not offered. `before` happens before the model answers, `during` once the instance has the call.
// `saw` looks at what the model was given, and says what it has of what it must have: "" is nothing.

import { setTimeout as sleep } from "node:timers/promises";

const THOUGHT_MS = 1500;

const greeting = (place, life = 1) => (text) => (text.includes(`This is the ${place}, life ${life}.`) ? "yes" : "");
const greet = (instance, who = "Ada") => ({ instance, tool: "greet", arguments: { who } });
/** A model that is told of a change looks first; so the tools it chooses from are those after the change. It takes its time to think,
 * in which Claude Code, which lists tools once a second at most, comes for the new ones. */
const look = (before) => ({ hub: "instances_list", arguments: {}, before: (stage) => before(stage).then(() => sleep(THOUGHT_MS)), saw: (text) => (/\bshop\b/.test(text) ? "yes" : "") });
/** Whoever is shown JSON sees line ends and the like as JSON writes them. */
const poem = (text) => ["sind rot,", "Veilchen sind blau", "“ok” ✓"].every((part) => text.includes(part));

/** Which of the two channels the model was shown, of a result that says the same in both in other words. */
function channels(text) {
  const seen = [];
  if (text.includes("a dozen of apples")) seen.push("text");
  if (/\\?"count\\?":\s*12|'count': 12/.test(text)) seen.push("structured");
  return seen.join(" and ");
}

export const TASKS = [
  {
    title: "list instances",
    steps: [{ hub: "instances_list", arguments: {}, saw: (text) => (/\bshop\b/.test(text) ? "yes" : "") }],
  },
  {
    title: "connect, and use a tool at once",
    steps: [
      // Clients without a handshake are not offered it: what they list does not depend on what was called.
      { hub: "instances_connect", optional: true, arguments: { instance_id: "shop" }, saw: (text) => (text.includes("greet") ? "yes" : "") },
      { ...greet("shop"), saw: greeting("shop") },
    ],
  },
  {
    title: "call without connecting",
    steps: [
      {
        hub: "instances_call",
        arguments: { instance_id: "shop", tool: "greet", arguments: { who: "Bob" } },
        saw: greeting("shop"),
      },
    ],
  },
  {
    title: "structured output",
    steps: [{ instance: "shop", tool: "stock", arguments: { item: "apples" }, saw: channels }],
  },
  {
    title: "text only",
    steps: [{ instance: "shop", tool: "poem", arguments: {}, saw: (text) => (poem(text) ? "yes" : "") }],
  },
  {
    title: "killed during a call",
    steps: [
      {
        instance: "shop",
        tool: "wait",
        arguments: {},
        during: (stage) => stage.kill("shop"),
        saw: (text) => (text.includes("shop") && /ended|closed|exited|gone|lost|killed/i.test(text) ? "told so" : ""),
      },
    ],
  },
  {
    title: "restarted",
    steps: [look((stage) => stage.start("shop")), { ...greet("shop"), saw: greeting("shop", 2) }],
  },
  {
    title: "a second one with the same names",
    steps: [
      look((stage) => stage.start("bakery")),
      { ...greet("bakery"), saw: greeting("bakery") },
      { ...greet("shop"), saw: greeting("shop", 2) },
    ],
  },
];
