"use strict";
// An instance whose tools, resources and prompts are functions of the program.
const alive = require("./alive.js");
const check = require("./check.js");
const { invalid, json, translated } = require("./errors.js");
const { native } = require("./native.js");
const results = require("./results.js");
const { ANNOUNCED, Served, started } = require("./served.js");

const OFFERED = {
  tools: "list",
  resources: "list",
  resourceTemplates: "list",
  prompts: "list",
  complete: "function",
};
const LIMITS = {
  maxBodyBytes: "positive integer",
  maxRequests: "positive integer",
  maxSessions: "positive integer",
  sessionIdle: "positive integer",
  grace: "positive integer",
};
const OPTIONS = { ...ANNOUNCED, ...OFFERED, ...LIMITS, instructions: "string", token: "boolean" };

/** How each kind of definition is named, and which member tells it apart. */
const LISTS = {
  tools: { kind: "tool", key: "name" },
  resources: { kind: "resource", key: "uri" },
  resourceTemplates: { kind: "template", key: "uriTemplate" },
  prompts: { kind: "prompt", key: "name" },
};

/** What MCP allows as the name of a tool. Clients drop tools that are named otherwise. */
const TOOL_NAME = /^[A-Za-z0-9_.-]{1,128}$/;

/** What answers, by kind and name, and the definitions as they cross. */
class Offer {
  #handlers = new Map();
  definitions = {};

  constructor(offered) {
    for (const [list, { kind, key }] of Object.entries(LISTS)) {
      this.definitions[list] = definitionsOf(offered[list], list, key).map(({ handler, ...definition }) => {
        this.#handlers.set(`${kind} ${definition[key]}`, { handler, definition });
        return complete(kind, definition);
      });
    }
    this.definitions.completes = offered.complete !== undefined;
    this.#handlers.set("completion ", { handler: offered.complete, definition: {} });
  }

  find(kind, name) {
    return this.#handlers.get(`${kind} ${name}`);
  }
}

/** A list, or an object whose members are named by the key. */
function definitionsOf(given, list, key) {
  if (given === undefined) return [];
  const all = Array.isArray(given)
    ? given
    : Object.entries(given).map(([name, definition]) =>
        typeof definition === "function" ? { [key]: name, handler: definition } : { [key]: name, ...definition },
      );
  const seen = new Set();
  for (const definition of all) {
    if (typeof definition?.handler !== "function" || typeof definition[key] !== "string") {
      throw invalid(`serveInstance: each of \`${list}\` must have a string \`${key}\` and a function \`handler\``);
    }
    const name = definition[key];
    if (list === "tools" && !TOOL_NAME.test(name)) {
      throw invalid(
        `serveInstance: ${JSON.stringify(name)} is not a valid tool name: use 1 to 128 letters, digits, \`_\`, \`-\` and \`.\``,
      );
    }
    if (seen.has(name)) throw invalid(`serveInstance: two of \`${list}\` have the ${key} ${JSON.stringify(name)}`);
    seen.add(name);
  }
  return all;
}

/** What MCP requires and a program may leave out. */
function complete(kind, definition) {
  if (kind === "tool") return { inputSchema: { type: "object" }, ...definition };
  if (kind === "prompt") return definition;
  return { name: definition.uri ?? definition.uriTemplate, ...definition };
}

/** The requests that run, with what cancels them. */
class Calls {
  #running = new Map();
  offer;

  constructor(offer) {
    this.offer = offer;
  }

  hear(number, call) {
    if (call) this.#answer(number, call);
    else this.#running.get(number)?.abort(new DOMException("the client has cancelled the request", "AbortError"));
  }

  async #answer(number, call) {
    const cancel = new AbortController();
    this.#running.set(number, cancel);
    alive.work(call);
    try {
      const request = JSON.parse(call.request);
      const { handler, definition } = this.offer.find(request.kind, request.name) ?? {};
      // It was there when the request came in.
      if (!handler) throw new Error(`${request.name} is not offered any more`);
      const value = await handler(...results.arguments(request, contextOf(call, cancel.signal)));
      call.answer(JSON.stringify({ ok: results.result(request, definition, value) }));
    } catch (error) {
      call.answer(JSON.stringify(results.failure(error)));
    } finally {
      this.#running.delete(number);
      alive.rest(call);
    }
  }
}

function contextOf(call, signal) {
  return {
    signal,
    progress(done, total, message) {
      if (![done, total ?? 0].every(Number.isFinite)) throw invalid("progress: `done` and `total` must be numbers");
      call.progress(done, total ?? null, message === undefined ? null : String(message));
    },
    log(level, data, logger) {
      call.log(String(level), logger === undefined ? null : String(logger), json(data, "`data`") ?? "null");
    },
  };
}

class InstanceServer extends Served {
  #native;
  #calls;

  /** Use `serveInstance`. */
  constructor(native, calls) {
    super(native);
    this.#native = native;
    this.#calls = calls;
  }

  update(offered) {
    const offer = new Offer(check.options(offered, OFFERED, "update"));
    const definitions = json(offer.definitions, "the offer");
    translated(() => this.#native.update(definitions));
    this.#calls.offer = offer;
  }

  resourceUpdated(uri) {
    this.#native.resourceUpdated(check.string(uri, "uri"));
  }
}

async function serveInstance(options) {
  const checked = check.options(options, OPTIONS, "serveInstance");
  const announced = { port: 0, ...check.only(checked, ANNOUNCED) };
  const offer = new Offer(checked);
  const calls = new Calls(offer);
  const limits = check.only(checked, LIMITS);
  const { instructions, token } = checked;
  const crossing = { announced, token, instructions, limits, offered: offer.definitions };
  const text = json(crossing, "the offer");
  const hear = (number, call) => calls.hear(number, call);
  const server = await started(calls, (callback) => native().NativeInstance.start(text, hear, callback));
  return new InstanceServer(server, calls);
}

module.exports = { InstanceServer, serveInstance };
