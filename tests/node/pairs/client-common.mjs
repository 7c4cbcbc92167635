// What the script's clients have in common: what they can do, how they answer, and how their SDKs are used.
import { Changing, follow, untilActive } from "../waiting.mjs";

export const capabilities = { roots: { listChanged: true }, sampling: {}, elicitation: {} };
export const ROOTS = [{ uri: "file:///first", name: "first" }, { uri: "file:///second" }];
export const SAMPLED = {
  role: "assistant",
  model: "test-model",
  content: { type: "text", text: "the model's answer" },
};

/** What the client was asked and told since the step began, and how it answers. */
export class Told {
  #changing = new Changing();
  asked = [];
  heard = [];
  answer;

  begin(answer) {
    Object.assign(this, { asked: [], heard: [], answer });
  }

  /** Keeps a question, without the progress token, which is the connection's own, and gives back the answer. */
  asks(method, params, answer) {
    const question = structuredClone({ method, params });
    delete question.params?._meta;
    this.asked.push(question);
    return answer;
  }

  hear(what) {
    this.heard.push(what);
    this.#changing.changed();
  }

  /** Waits until something was heard; the whole program has a time limit. */
  hears(wanted) {
    return this.#changing.until(() => this.heard.find(wanted));
  }

  hearsAtLeast(many) {
    return this.#changing.until(() => this.heard.length >= many);
  }
}

/** The clients' methods for the lists. */
const lists = {
  tools: "listTools",
  prompts: "listPrompts",
  resources: "listResources",
  resourceTemplates: "listResourceTemplates",
};

/** All items of a list over all its pages. */
async function pages(list, member, cursor) {
  const page = await list(cursor === undefined ? undefined : { cursor });
  if (page.nextCursor === undefined) return page[member];
  return [...page[member], ...(await pages(list, member, page.nextCursor))];
}

/**
 * Keeps each progress as it comes in, before the client makes something of it: when the last one and the result come in
 * one piece, as they may on stdio, these clients drop it.
 */
function watchProgress(transport, told) {
  const { onmessage } = transport;
  transport.onmessage = (message, extra) => {
    if (message.method === "notifications/progress") {
      const { progressToken, ...progress } = message.params;
      told.hear({ progress });
    }
    onmessage(message, extra);
  };
}

/**
 * What is the same with a client of each version: `Http` and `Stdio` are its transports, `call` calls a tool with options,
 * and `listOptions` are those for lists.
 */
export function common(it, told, { Http, Stdio, call, listOptions }) {
  return {
    async connect([where, ...args]) {
      const transport = URL.canParse(where)
        ? new Http(new URL(where))
        : new Stdio({ command: where, args, stderr: "inherit" });
      await it.connect(transport);
      watchProgress(transport, told);
    },
    close: () => it.close(),
    active: (instance) => untilActive(it, instance),
    list: (what) => pages((page) => it[lists[what]](page, listOptions), what),
    call: (name, args, { progress }) => call(name, args, progress && { onprogress: () => {} }),
    async cancelled(name, args) {
      const stop = new AbortController();
      const options = { signal: stop.signal, onprogress: () => stop.abort("enough") };
      return call(name, args, options).then(() => "not cancelled", ({ message }) => message);
    },
    read: (uri) => it.readResource({ uri }),
    prompt: (name, args) => it.getPrompt({ name, arguments: args }),
    complete: (params) => it.complete(params),
    follow: (what) => follow(it, what),
  };
}
