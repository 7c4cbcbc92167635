// Everything that `server-everything` offers.
import { all, cancelled, tool, withProgress } from "./suite-common.mjs";

const RESOURCE = "demo://resource/dynamic/text/1";
const without = (it, ...methods) => it.told.filter(({ method }) => !methods.includes(method));
const simulated = "notifications/message";

export const everything = {
  ping: (it) => it.ping(),
  "tools/list": (it) => all((page) => it.listTools(page), "tools"),
  "prompts/list": (it) => all((page) => it.listPrompts(page), "prompts"),
  "resources/list": (it) => all((page) => it.listResources(page), "resources"),
  "resources/templates/list": (it) => all((page) => it.listResourceTemplates(page), "resourceTemplates"),
  echo: tool("echo", { message: "hällo \u{1f980} \u0000 \"quoted\"" }),
  "echo with bad arguments": tool("echo", { message: 7 }),
  "unknown tool": tool("no-such-tool"),
  sum: tool("get-sum", { a: 0.1, b: 2 }),
  "structured content": tool("get-structured-content", { location: "Chicago" }),
  annotations: tool("get-annotated-message", { messageType: "error", includeImage: true }),
  image: tool("get-tiny-image"),
  "resource links": tool("get-resource-links", { count: 4 }),
  "embedded resource": async (it) => {
    const result = await it.callTool({
      name: "get-resource-reference",
      arguments: { resourceType: "Blob", resourceId: 3 },
    });
    return timeless(result);
  },
  progress: withProgress("trigger-long-running-operation", { duration: 0.3, steps: 3 }),
  cancellation: cancelled("trigger-long-running-operation", { duration: 600, steps: 6000 }),
  sampling: async (it) => [await tool("trigger-sampling-request", { prompt: "hello", maxTokens: 10 })(it), it.told],
  "elicitation accepted": (it) => elicit(it, { action: "accept", content: { name: "Ann", check: true, integer: 3 } }),
  "elicitation declined": (it) => elicit(it, { action: "decline" }),
  "elicitation cancelled": (it) => elicit(it, { action: "cancel" }),
  "elicitation of a URL": async (it) => {
    it.elicitationAnswer = { action: "accept" };
    const args = { url: "https://example.com/one", elicitationId: "fixed-id" };
    return [await tool("trigger-url-elicitation", args)(it), without(it, simulated)];
  },
  "URL required": async (it) => {
    const args = { url: "https://example.com/two", elicitationId: "other-id", errorPath: true };
    const { code, message, data } = await tool("trigger-url-elicitation", args)(it).catch((error) => error);
    // The server draws a random id for the page that must be visited first.
    return [code, message, data.elicitations.map(({ elicitationId, ...rest }) => [typeof elicitationId, rest])];
  },
  roots: tool("get-roots-list"),
  "roots changed": async (it) => {
    it.roots = [{ uri: "file:///second" }, { uri: "file:///third", name: "third" }];
    await it.sendRootsListChanged();
    await it.wait(({ params }) => String(params?.data).startsWith("Roots updated: 2"));
    return tool("get-roots-list")(it);
  },
  "read text": async (it) => timeless(await it.readResource({ uri: RESOURCE })),
  "read blob": async (it) => timeless(await it.readResource({ uri: "demo://resource/dynamic/blob/2" })),
  "read document": (it) => it.readResource({ uri: "demo://resource/static/document/features.md" }),
  "read nothing": (it) => it.readResource({ uri: "demo://resource/none" }),
  subscription: async (it) => {
    const answer = await it.subscribeResource({ uri: RESOURCE });
    await it.callTool({ name: "toggle-subscriber-updates", arguments: {} });
    const updated = await it.wait(({ method }) => method === "notifications/resources/updated");
    await it.callTool({ name: "toggle-subscriber-updates", arguments: {} });
    return [answer, updated, await it.unsubscribeResource({ uri: RESOURCE })];
  },
  "resource made while running": async (it) => {
    const args = { name: "made.gz", data: "data:text/plain,hello", outputType: "resourceLink" };
    const made = await it.callTool({ name: "gzip-file-as-resource", arguments: args });
    const listed = await all((page) => it.listResources(page), "resources");
    const read = await it.readResource({ uri: "demo://resource/session/made.gz" });
    return [made, listed, read.contents[0].mimeType];
  },
  "simple prompt": (it) => it.getPrompt({ name: "simple-prompt" }),
  "prompt with arguments": (it) => it.getPrompt({ name: "args-prompt", arguments: { city: "Paris", state: "Texas" } }),
  "prompt without its argument": (it) => it.getPrompt({ name: "args-prompt", arguments: {} }),
  "prompt with a resource": async (it) =>
    timeless(await it.getPrompt({ name: "resource-prompt", arguments: { resourceType: "Text", resourceId: "2" } })),
  "unknown prompt": (it) => it.getPrompt({ name: "no-such-prompt" }),
  "completion of a prompt": (it) =>
    it.complete({
      ref: { type: "ref/prompt", name: "completable-prompt" },
      argument: { name: "name", value: "" },
      context: { arguments: { department: "Sales" } },
    }),
  "completion of a template": (it) =>
    it.complete({
      ref: { type: "ref/resource", uri: "demo://resource/dynamic/text/{resourceId}" },
      argument: { name: "resourceId", value: "1" },
    }),
  logging: async (it) => {
    const answer = await it.setLoggingLevel("debug");
    await it.callTool({ name: "toggle-simulated-logging", arguments: {} });
    const { params } = await it.wait(({ method, params }) => method === simulated && params.data.includes("level"));
    await it.callTool({ name: "toggle-simulated-logging", arguments: {} });
    return [answer, Object.keys(params).sort()];
  },
};

async function elicit(it, answer) {
  it.elicitationAnswer = answer;
  return [await tool("trigger-elicitation-request")(it), without(it, simulated)];
}

/** The server writes the time of day into what it makes; in base64, too. */
function timeless(value) {
  const plain = JSON.parse(JSON.stringify(value), (key, part) =>
    key === "blob" ? Buffer.from(part, "base64").toString() : part,
  );
  return JSON.parse(JSON.stringify(plain).replace(/\d{1,2}:\d{2}:\d{2}(\s[AP]M)?/g, "TIME"));
}
