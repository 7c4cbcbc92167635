// Waiting for what happens, instead of looking again and again.

const INSTANCES = "brummer://instances";
const UPDATED = "notifications/resources/updated";

/** Something that changes, and can be waited on until it is as wanted. */
export class Changing {
  #looks = new Set();

  /** To be called after each change. */
  changed() {
    for (const look of [...this.#looks]) look();
  }

  /** What `find` returns, as soon as that is something. */
  until(find) {
    return new Promise((resolve) => {
      const look = () => {
        const found = find();
        if (!found) return;
        this.#looks.delete(look);
        resolve(found);
      };
      this.#looks.add(look);
      look();
    });
  }
}

/**
 * Subscribes an official client of any version to a resource, or to the list of tools (`what` is `tools`). Returns a
 * function that ends it.
 */
export async function follow(it, what) {
  if (it.getNegotiatedProtocolVersion?.() >= "2026-07-28") {
    const filter = what === "tools" ? { toolsListChanged: true } : { resourceSubscriptions: [what] };
    const subscription = await it.listen(filter);
    return () => subscription.close();
  }
  // Clients with a handshake are told of lists unasked.
  if (what === "tools") return () => {};
  await it.subscribeResource({ uri: what });
  return () => it.unsubscribeResource({ uri: what });
}

/** Waits until the hub that an official client is connected to lists this instance as active. */
export async function untilActive(it, instance) {
  const { transport } = it;
  const { onmessage } = transport;
  let updated;
  transport.onmessage = (message, extra) => {
    if (message.method === UPDATED && message.params.uri === INSTANCES) updated();
    else onmessage(message, extra);
  };
  const list = async () => (await it.callTool({ name: "instances_list", arguments: {} })).structuredContent.instances;
  const update = () => new Promise((resolve) => (updated = resolve));
  let next = update();
  const stop = await follow(it, INSTANCES);
  while (!(await list()).some(({ id, state }) => id === instance && state === "active")) {
    await next;
    next = update();
  }
  await stop();
  // What was on its way comes before this answer.
  await list();
  transport.onmessage = onmessage;
}
