// Everything that the example server on the Rust SDK offers.
import { all, cancelled, tool, withProgress } from "./suite-common.mjs";

const URI = "note://compare";

export const rmcp = {
  ping: (it) => it.ping(),
  "tools/list": (it) => all((page) => it.listTools(page), "tools"),
  "prompts/list": (it) => all((page) => it.listPrompts(page), "prompts"),
  "resources/list": (it) => all((page) => it.listResources(page), "resources"),
  "resources/templates/list": (it) => all((page) => it.listResourceTemplates(page), "resourceTemplates"),
  echo: tool("echo", { message: "hällo \u{1f980}" }),
  "echo with bad arguments": tool("echo", { message: 7 }),
  "unknown tool": tool("no-such-tool"),
  sum: tool("add", { a: 0.1, b: 2 }),
  big: tool("big", { bytes: 3_000_000 }),
  progress: withProgress("slow", { steps: 5, step_ms: 10 }),
  cancellation: cancelled("slow", { steps: 100_000, step_ms: 20 }),
  "elicitation accepted": (it) => ask(it, { action: "accept", content: { answer: "42" } }),
  "elicitation declined": (it) => ask(it, { action: "decline" }),
  "elicitation cancelled": (it) => ask(it, { action: "cancel" }),
  sampling: async (it) => [await tool("sample", { question: "why?" })(it), asked(it)],
  roots: tool("roots"),
  read: (it) => it.readResource({ uri: "note://untouched" }),
  "read nothing": (it) => it.readResource({ uri: "other://thing" }),
  subscription: async (it) => {
    const answer = await it.subscribeResource({ uri: URI });
    await it.callTool({ name: "touch", arguments: { name: "compare" } });
    const updated = await it.wait(({ method }) => method === "notifications/resources/updated");
    return [answer, updated, await it.unsubscribeResource({ uri: URI })];
  },
  prompt: (it) => it.getPrompt({ name: "greeting", arguments: { name: "Ann", style: "formal" } }),
  "prompt without its argument": (it) => it.getPrompt({ name: "greeting", arguments: {} }),
  completion: (it) =>
    it.complete({ ref: { type: "ref/prompt", name: "greeting" }, argument: { name: "style", value: "f" } }),
  logging: async (it) => {
    const answer = await it.setLoggingLevel("warning");
    const low = await it.callTool({ name: "log", arguments: { level: "info", message: "low" } });
    const high = await it.callTool({ name: "log", arguments: { level: "error", message: "high" } });
    return [answer, low, high, await it.wait(({ method }) => method === "notifications/message")];
  },
};

async function ask(it, answer) {
  it.elicitationAnswer = answer;
  return [await tool("ask", { question: "really?" })(it), asked(it)];
}

/** What was asked, without the tokens, which are the connection's own. */
function asked(it) {
  for (const { params } of it.told) {
    if (params._meta?.progressToken !== undefined) params._meta.progressToken = "some token";
  }
  return it.told;
}
