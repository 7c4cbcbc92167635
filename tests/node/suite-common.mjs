// What both suites need.

/** All items of a list over all pages, without what the hub adds of its own. */
export async function all(list, member, cursor) {
  const page = await list(cursor === undefined ? undefined : { cursor });
  const items = page[member].filter(
    (item) => !(item.name ?? "").startsWith("instances_") && !(item.uri ?? "").startsWith("brummer:"),
  );
  return page.nextCursor === undefined ? items : [...items, ...(await all(list, member, page.nextCursor))];
}

export const tool = (name, args = {}, options) => (it) =>
  it.callTool({ name, arguments: args }, undefined, options);

/**
 * A call with its progress, in order. The messages themselves are looked at: when the last progress and the result come
 * in one piece, as they may on stdio, this client drops the progress.
 */
export const withProgress = (name, args) => async (it) => {
  it.received.length = 0;
  const result = await it.callTool({ name, arguments: args }, undefined, { onprogress: () => {} });
  const steps = it.received.filter(({ method }) => method === "notifications/progress");
  const tokens = new Set(steps.map(({ params }) => params.progressToken));
  const progress = steps.map(({ params: { progressToken, ...step } }) => step);
  return { result, progress, tokens: tokens.size, last: it.received.at(-1).result !== undefined };
};

/** A call that is cancelled at its first progress. */
export const cancelled = (name, args) => async (it) => {
  const stop = new AbortController();
  const call = it.callTool({ name, arguments: args }, undefined, {
    signal: stop.signal,
    onprogress: () => stop.abort("enough"),
  });
  const error = await call.then(() => "not cancelled", (reason) => String(reason?.message ?? reason));
  return { error, ping: await it.ping() };
};
