// What the servers of the pairs offer, whichever SDK they are on: the same as the example server on the Rust SDK.
import { setTimeout as sleep } from "node:timers/promises";

import { Changing } from "../waiting.mjs";

const object = (properties, required = Object.keys(properties)) => ({ type: "object", properties, required });
const string = { type: "string" };
const number = { type: "number" };

/** The eight severities, lowest first (MCP, logging). */
const LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];
const STYLES = ["formal", "friendly", "short"];

export const text = (words) => ({ content: [{ type: "text", text: words }] });
export const capabilities = {
  tools: { listChanged: true },
  prompts: {},
  resources: { subscribe: true },
  completions: {},
  logging: {},
};
export const serverInfo = { name: "pairs", version: "1.0.0" };

/** What all sessions share. `changed` is told `{uri}` or `{tools: true}`. */
export function world() {
  const listeners = new Set();
  const tell = (change) => listeners.forEach((listener) => listener(change));
  const revisions = new Map();
  const cancellations = new Changing();
  return {
    added: 0,
    cancelled: 0,
    cancel() {
      this.cancelled += 1;
      cancellations.changed();
    },
    cancelledMoreThan(many) {
      return cancellations.until(() => this.cancelled > many);
    },
    revision: (name) => revisions.get(name) ?? 0,
    touch(name) {
      revisions.set(name, this.revision(name) + 1);
      tell({ uri: `note://${name}` });
    },
    addTool() {
      this.added += 1;
      tell({ tools: true });
    },
    /** Tells of every change until the returned function is called. */
    follow(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/**
 * `{name: {description, inputSchema, outputSchema, call}}`. `call` is given the arguments, the world, and what a running
 * call can do: `ask`, `sample`, `roots`, `progress`, `log`, `level` and `signal`.
 */
export const tools = {
  echo: {
    description: "Says the message back",
    inputSchema: object({ message: string }),
    call: ({ message }) => text(message),
  },
  add: {
    description: "Adds two numbers",
    inputSchema: object({ a: number, b: number }),
    outputSchema: object({ sum: number }),
    call: ({ a, b }) => structured({ sum: a + b }),
  },
  slow: {
    description: "Takes its time and reports progress, until it is done or cancelled",
    inputSchema: object({ steps: { type: "integer" }, step_ms: { type: "integer" } }),
    async call({ steps, step_ms }, world, { progress, signal }) {
      for (let step = 1; step <= steps; step += 1) {
        try {
          await sleep(step_ms, undefined, { signal });
        } catch (error) {
          world.cancel();
          throw error;
        }
        await progress({ progress: step, total: steps, message: `step ${step} of ${steps}` });
      }
      return text(`${steps} steps`);
    },
  },
  cancellations: {
    description: "Says how many calls of `slow` were cancelled, once there are more than `above` if that is given",
    inputSchema: object({ above: { type: "integer" } }, []),
    async call({ above = -1 }, world) {
      await world.cancelledMoreThan(above);
      return text(String(world.cancelled));
    },
  },
  big: {
    description: "Answers with a text of the given length",
    inputSchema: object({ bytes: { type: "integer" } }),
    call: ({ bytes }) => text("x".repeat(bytes)),
  },
  ask: {
    description: "Asks the person at the client (elicitation)",
    inputSchema: object({ question: string }),
    async call({ question }, _, { ask }) {
      const requestedSchema = object({ answer: { type: "string", description: "The answer, in a few words." } });
      const { action, content } = await ask({ message: question, requestedSchema });
      if (action === "accept") return text(content ? `answered: ${content.answer}` : "answered nothing");
      return text(action === "decline" ? "declined" : "dismissed");
    },
  },
  sample: {
    description: "Asks the client's model (sampling)",
    inputSchema: object({ question: string }),
    outputSchema: object({ model: string, text: string }),
    async call({ question }, _, { sample }) {
      const messages = [{ role: "user", content: { type: "text", text: question } }];
      const { model, content } = await sample({ messages, maxTokens: 100 });
      return structured({ model, text: content.text });
    },
  },
  roots: {
    description: "Lists the client's roots",
    inputSchema: object({}),
    async call(_, __, { roots }) {
      return text((await roots()).roots.map(({ uri }) => uri).join("\n"));
    },
  },
  touch: {
    description: "Changes a note, which tells its subscribers",
    inputSchema: object({ name: string }),
    call({ name }, world) {
      world.touch(name);
      return text(`${name} is at revision ${world.revision(name)}`);
    },
  },
  log: {
    description: "Writes a log message, if the client wants messages of that level",
    inputSchema: object({ level: { type: "string", enum: LEVELS }, message: string }),
    async call({ level, message }, _, { log, level: least }) {
      if (least === undefined || LEVELS.indexOf(level) < LEVELS.indexOf(least)) return text("below the level");
      await log({ level, logger: serverInfo.name, data: message });
      return text("logged");
    },
  },
  add_tool: {
    description: "Adds one tool to the list of tools",
    inputSchema: object({}),
    call(_, world) {
      world.addTool();
      return text(`added_${world.added}`);
    },
  },
};

function structured(structuredContent) {
  return { ...text(JSON.stringify(structuredContent)), structuredContent };
}

export function listTools(world) {
  const constant = Object.entries(tools).map(([name, { call, ...rest }]) => ({ name, ...rest }));
  const added = Array.from({ length: world.added }, (_, index) => ({
    name: `added_${index + 1}`,
    description: "A tool that was added while running",
    inputSchema: object({}),
  }));
  return { tools: [...constant, ...added] };
}

export const listResources = () => ({
  resources: [{ uri: "note://welcome", name: "welcome", mimeType: "text/plain" }],
});
export const listTemplates = () => ({
  resourceTemplates: [{ uriTemplate: "note://{name}", name: "note", mimeType: "text/plain" }],
});
export const listPrompts = () => ({
  prompts: [
    {
      name: "greeting",
      description: "Asks the model to greet someone",
      arguments: [
        { name: "name", description: "Whom to greet.", required: true },
        { name: "style", description: "`formal`, `friendly` or `short`.", required: false },
      ],
    },
  ],
});

/** The contents of a note, or nothing for another URI. */
export function read(uri, world) {
  const name = uri.match(/^note:\/\/(.+)$/)?.[1];
  return name && { contents: [{ uri, text: `note ${name}, revision ${world.revision(name)}` }] };
}

/** The prompt, or what is wrong with the request. */
export function prompt({ name, arguments: args = {} }) {
  if (name !== "greeting") return { wrong: `Unknown prompt: ${name}` };
  if (args.name === undefined) return { wrong: "Argument name is missing" };
  const words = `Write a ${args.style ?? "friendly"} greeting for ${args.name}.`;
  return { messages: [{ role: "user", content: { type: "text", text: words } }] };
}

export function complete({ ref, argument }) {
  const known = ref.type === "ref/prompt" && ref.name === "greeting" && argument.name === "style";
  const values = known ? STYLES.filter((style) => style.startsWith(argument.value)) : [];
  return { completion: { values, total: values.length, hasMore: false } };
}

/** What is wrong with the arguments of a call, if anything; enough of JSON Schema for the schemas above. */
export function wrong({ inputSchema }, args) {
  for (const name of inputSchema.required) {
    const type = inputSchema.properties[name].type === "integer" ? "number" : inputSchema.properties[name].type;
    if (typeof args[name] !== type) return `Argument ${name} must be a ${type}`;
  }
  return undefined;
}
