// What the script's clients have in common: what they can do, and how they answer.

export const capabilities = { roots: { listChanged: true }, sampling: {}, elicitation: {} };
export const ROOTS = [{ uri: "file:///first", name: "first" }, { uri: "file:///second" }];
export const SAMPLED = {
  role: "assistant",
  model: "test-model",
  content: { type: "text", text: "the model's answer" },
};

/** The clients' methods for the lists. */
export const lists = {
  tools: "listTools",
  prompts: "listPrompts",
  resources: "listResources",
  resourceTemplates: "listResourceTemplates",
};

/** All items of a list over all its pages. */
export async function pages(list, member, cursor) {
  const page = await list(cursor === undefined ? undefined : { cursor });
  if (page.nextCursor === undefined) return page[member];
  return [...page[member], ...(await pages(list, member, page.nextCursor))];
}

/** A question without the progress token, which is the connection's own. */
export function tokenless(question) {
  const copy = structuredClone(question);
  delete copy.params?._meta;
  return copy;
}

/**
 * Keeps each progress as it comes in, before the client makes something of it: when the last one and the result come in
 * one piece, as they may on stdio, these clients drop it.
 */
export function watchProgress(transport, told) {
  const { onmessage } = transport;
  transport.onmessage = (message, extra) => {
    if (message.method === "notifications/progress") {
      const { progressToken, ...progress } = message.params;
      told.heard.push({ progress });
    }
    onmessage(message, extra);
  };
}
