// Walks a model through the tasks: says which tool to call of those that an agent offers, as a model would choose, and
// writes down what came back.
import { TASKS } from "./tasks.mjs";

/** Tools by which agents let a model search for tools that they do not show at once. */
const SEARCHES = ["ToolSearch", "tool_search", "tool_search_tool"];

/** By which some agents let a model call what a search has answered. */
const INDIRECT = "tool_call";

const plain = (name) => name.replaceAll("-", "_");

export class Walk {
  #stage;
  #steps = TASKS.flatMap((task, index) => task.steps.map((step) => ({ task: index, ...step })));
  /** What has been said so far, one entry for each result that must be in the next request. */
  #said = [];
  #at = 0;
  #searched = new Set();
  /** Names that searches have answered. */
  #found = new Set();
  /** What became of each step: {task, way, name, saw, text}. */
  outcomes = [];
  /** Every name of a tool that was offered. */
  offered = new Set();

  /** Whether the agent asked its model before it had the hub's tools. */
  early = false;
  #end;
  /** When the last task is done. */
  done = new Promise((resolve) => (this.#end = resolve));

  constructor(stage) {
    this.#stage = stage;
  }

  get finished() {
    return this.#at >= this.#steps.length;
  }

  /** What the model says next, given all that it has before it. */
  async next({ tools, results }) {
    for (const name of tools) this.offered.add(name);
    // The same request again: the agent has not heard the answer.
    if (results.length < this.#said.length) return this.#said[results.length].answer;
    const last = this.#said.at(-1);
    if (last && !last.noted) {
      last.noted = true;
      const text = results.at(-1);
      if (last.step) {
        this.outcomes.push({ task: last.step.task, way: last.way, name: last.answer.tool, saw: last.step.saw(text), text });
        this.#at += 1;
      } else {
        for (const [, name] of text.matchAll(/"name":\s*"([^"]+)"/g)) this.#found.add(name);
      }
    }
    if (this.#at === 0 && !find(tools, "instances_list") && !tools.some((name) => SEARCHES.includes(name))) {
      this.early = true;
      return this.#end(), { text: "There are no tools yet." };
    }
    if (this.#steps[this.#at]?.optional && !find(tools, this.#steps[this.#at].hub)) this.#at += 1;
    if (this.finished) return this.#end(), { text: "All done." };
    const step = this.#steps[this.#at];
    await step.before?.(this.#stage);
    const said = this.#choose(step, tools);
    this.#said.push(said);
    if (said.way && step.during) void this.#stage.called(step.instance, step.tool).then(() => step.during(this.#stage));
    return said.answer;
  }

  /** What a model asks a search for, that has the names of the tools but not more of them. */
  #query(search, { hub, instance, tool }) {
    const names = hub ? [hub] : [`${instance}__${tool}`, tool];
    const known = [...this.offered].find((name) => name.endsWith("instances_list"));
    if (search !== "ToolSearch" || !known) return names.join(" ");
    return `select:${names.map((name) => known.replace("instances_list", name)).join(",")}`;
  }

  #choose(step, tools) {
    const searched = this.#searched.has(this.#at);
    const found = this.#call(tools, choice, step, step.arguments);
    if (found) return { ...found, step, way: searched ? `${found.way} after a search` : found.way };
    const search = tools.find((name) => SEARCHES.includes(name));
    if (search && !searched) {
      this.#searched.add(this.#at);
      return { answer: { tool: search, arguments: { query: this.#query(search, step) } } };
    }
    const given = { instance_id: step.instance, tool: step.tool, arguments: step.arguments };
    const call = this.#call(tools, find, "instances_call", given);
    if (!call || step.hub) {
      // Something harmless, so that the conversation goes on.
      return { step, way: "not offered", answer: { tool: find(tools, "instances_list")?.name ?? tools[0], arguments: {} } };
    }
    return { ...call, step, way: "instances_call" };
  }

  /** The call of what is looked for among the tools, or among what was searched for. */
  #call(tools, look, what, given) {
    const offered = look(tools, what);
    if (offered) return { way: offered.way, answer: { tool: offered.name, arguments: given } };
    const named = tools.includes(INDIRECT) && look([...this.#found], what);
    return named && { way: named.way, answer: { tool: INDIRECT, arguments: { name: named.name, arguments: given } } };
  }
}

const choice = (tools, step) => (step.hub ? find(tools, step.hub) : offered(tools, step));

/** A tool by the end of the name under which an agent offers it. */
function find(tools, wanted, way = "own name") {
  const name = tools.find((name) => plain(name) === wanted) ?? tools.find((name) => /[_./:]/.test(plain(name).at(-wanted.length - 1)) && plain(name).endsWith(wanted));
  return name && { name, way };
}

/** A tool of an instance, with its alias in front, or by its own name where that is nobody else's. */
function offered(tools, { instance, tool }) {
  const aliased = find(tools, `${instance}__${tool}`, "alias") ?? find(tools, `${instance}_${tool}`, "alias");
  if (aliased) return aliased;
  // What has some other alias in front is another instance's.
  const others = ["shop", "bakery"].filter((other) => other !== instance);
  const own = tools.filter((name) => !others.some((other) => plain(name).includes(`${other}_`)));
  // Only the instance that the session is connected to has its tools under their own names.
  return instance === "shop" ? find(own, tool) : undefined;
}
