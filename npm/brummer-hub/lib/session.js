"use strict";
// A conversation with the hub, and through it with an instance: JSON-RPC requests with promises.
const { EventEmitter } = require("node:events");
const alive = require("./alive.js");
const check = require("./check.js");
const { Channel } = require("./channel.js");
const { HubError, cancelled, told } = require("./errors.js");
const { camelCase } = require("./names.js");
const { Queue } = require("./queue.js");
const { version } = require("../package.json");

/** The revision whose handshake the session makes; the hub translates for instances that speak another one. */
const PROTOCOL_VERSION = "2025-11-25";

/** A list that has more pages than this does not end. */
const PAGES = 10_000;

/** Error codes of JSON-RPC. */
const METHOD_NOT_FOUND = -32601;
const INTERNAL_ERROR = -32603;

const HUB_TOOLS = new Set(
  ["list", "connect", "disconnect", "health", "tools", "call"].map((name) => `instances_${name}`),
);
const HUB_RESOURCE = "brummer://instances";

const WAIT = { signal: "signal", timeout: "positive integer" };
const OPEN = { ...WAIT, clientInfo: "object", capabilities: "object", onRequest: "function" };
const REQUEST = { ...WAIT, onProgress: "function" };
const CALL = { ...REQUEST, instance: "string" };

/** Events that notifications are emitted as, beside `notification`. */
const EVENTS = {
  "notifications/tools/list_changed": ["toolsChanged"],
  "notifications/resources/list_changed": ["resourcesChanged"],
  "notifications/prompts/list_changed": ["promptsChanged"],
  "notifications/resources/updated": ["resourceUpdated", (params) => params?.uri],
  "notifications/message": ["log", (params) => params],
};

class Session extends EventEmitter {
  #hub;
  #channel;
  #pending = new Map();
  #nextId = 0;
  #queues = new Set();
  #onRequest;
  #instance = null;
  /** Questions of the instance that are being answered. */
  #answering = new Map();
  #reference = new alive.Reference(this);

  /** Use `hub.connect`, or `hub.session`. */
  constructor(hub, nativeHub, onRequest) {
    super();
    this.#hub = hub;
    this.#onRequest = onRequest;
    const [receive, end] = [(message) => this.#receive(message), () => this.#end()];
    this.#channel = new Channel(nativeHub, { autoConnect: false, tellsModels: false }, this, receive, end);
    alive.withListeners(this);
  }

  static async open(hub, nativeHub, given, of) {
    const { clientInfo, capabilities, onRequest, ...wait } = check.options(given, OPEN, of);
    if (wait.signal?.aborted) throw cancelled(wait.signal);
    const session = new Session(hub, nativeHub, onRequest);
    const handshake = {
      protocolVersion: PROTOCOL_VERSION,
      capabilities: capabilities ?? {},
      clientInfo: clientInfo ?? { name: "brummer-hub", version },
    };
    await session.#openedBy(async () => {
      await session.request("initialize", handshake, wait);
      session.notify("notifications/initialized");
    });
    return session;
  }

  static async connected(hub, nativeHub, instance, given) {
    check.string(instance, "idOrName");
    const session = await Session.open(hub, nativeHub, given, "connect");
    const { signal, timeout } = given ?? {};
    await session.#openedBy(() => session.connect(instance, { signal, timeout }));
    return session;
  }

  /** Nothing is left of a session that cannot be opened. */
  async #openedBy(step) {
    try {
      await step();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async connect(idOrName, options) {
    check.string(idOrName, "idOrName");
    const wait = check.options(options, WAIT, "connect");
    const answer = await this.#hubTool("instances_connect", { instance_id: idOrName }, wait);
    // That this session is connected to it goes without saying.
    const { connected: _, ...found } = answer.structuredContent.instance;
    this.#instance = camelCase(found);
  }

  async disconnect(options) {
    await this.#hubTool("instances_disconnect", {}, check.options(options, WAIT, "disconnect"));
    this.#instance = null;
  }

  async #hubTool(name, args, wait) {
    const answer = await this.callTool(name, args, wait);
    if (!answer.isError) return answer;
    throw new HubError("ERR_BH_TOOL", answer.content.map((block) => block.text ?? "").join("\n"));
  }

  get instance() {
    return this.#instance;
  }

  get hub() {
    return this.#hub;
  }

  get closed() {
    return this.#channel.ended;
  }

  request(method, params, given) {
    return new Promise((resolve, reject) => {
      check.string(method, "method");
      if (params !== undefined) check.object(params, "params");
      const { signal, onProgress, timeout } = check.options(given, REQUEST, method);
      if (signal?.aborted) throw cancelled(signal);
      const id = this.#nextId++;
      const message = { jsonrpc: "2.0", id, method };
      if (params !== undefined) message.params = params;
      if (onProgress) message.params = { ...params, _meta: { ...params?._meta, progressToken: id } };
      this.#channel.send(message);
      const pending = { resolve, reject, onProgress };
      this.#pending.set(id, pending);
      const giveUp = (error) => {
        this.#settle(id);
        this.#tryNotify("notifications/cancelled", { requestId: id, reason: error.message });
        reject(error);
      };
      if (signal) {
        const abort = () => giveUp(cancelled(signal));
        signal.addEventListener("abort", abort, { once: true });
        pending.deafen = () => signal.removeEventListener("abort", abort);
      }
      if (timeout !== undefined) {
        const late = () => giveUp(new HubError("ERR_BH_TIMEOUT", `no answer to ${method} within ${timeout} ms`));
        pending.timer = setTimeout(late, timeout);
      }
    });
  }

  notify(method, params) {
    check.string(method, "method");
    if (params !== undefined) check.object(params, "params");
    this.#channel.send({ jsonrpc: "2.0", method, ...(params === undefined ? {} : { params }) });
  }

  #tryNotify(method, params) {
    try {
      this.notify(method, params);
    } catch {
      // The session has ended: there is nobody to tell.
    }
  }

  async listTools(options) {
    const tools = await this.#all("tools/list", "tools", options);
    return tools.filter(({ name }) => !HUB_TOOLS.has(name));
  }

  async listResources(options) {
    const resources = await this.#all("resources/list", "resources", options);
    return resources.filter(({ uri }) => uri !== HUB_RESOURCE);
  }

  listResourceTemplates(options) {
    return this.#all("resources/templates/list", "resourceTemplates", options);
  }

  listPrompts(options) {
    return this.#all("prompts/list", "prompts", options);
  }

  async #all(method, member, options) {
    const all = [];
    let cursor;
    for (let page = 0; page < PAGES; page++) {
      const result = await this.request(method, cursor === undefined ? {} : { cursor }, options);
      all.push(...result[member]);
      cursor = result.nextCursor;
      if (cursor === undefined) return all;
    }
    throw new HubError("ERR_BH_RPC", `${method} has more than ${PAGES} pages`);
  }

  async callTool(name, args = {}, options) {
    check.string(name, "name");
    check.object(args, "args");
    const { instance, ...request } = check.options(options, CALL, "callTool");
    const call =
      instance === undefined
        ? { name, arguments: args }
        : { name: "instances_call", arguments: { instance_id: instance, tool: name, arguments: args } };
    return this.request("tools/call", call, request);
  }

  async readResource(uri, options) {
    check.string(uri, "uri");
    return this.request("resources/read", { uri }, options);
  }

  async subscribe(uri, options) {
    check.string(uri, "uri");
    await this.request("resources/subscribe", { uri }, options);
  }

  async unsubscribe(uri, options) {
    check.string(uri, "uri");
    await this.request("resources/unsubscribe", { uri }, options);
  }

  async getPrompt(name, args = {}, options) {
    check.string(name, "name");
    check.object(args, "args");
    return this.request("prompts/get", { name, arguments: args }, options);
  }

  notifications(given) {
    const { signal } = check.options(given, { signal: "signal" }, "notifications");
    const queue = new Queue({
      owner: this,
      lagged: (missed) => ({ method: "brummer/lagged", params: { missed } }),
      stop: (ended) => this.#queues.delete(ended),
      signal,
    });
    if (this.closed) queue.end();
    else if (!signal?.aborted) this.#queues.add(queue);
    return queue;
  }

  ref() {
    if (!this.closed) this.#reference.set(true);
    return this;
  }

  unref() {
    this.#reference.set(false);
    return this;
  }

  close() {
    return this.#channel.close();
  }

  [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]() {
    return this.close();
  }

  #receive(message) {
    if (message.method === undefined) this.#answered(message);
    else if (message.id === undefined) this.#told(message);
    else this.#asked(message);
  }

  /** Takes a request from the table, with all that it has set up. */
  #settle(id) {
    const pending = this.#pending.get(id);
    if (!pending) return undefined;
    this.#pending.delete(id);
    pending.deafen?.();
    clearTimeout(pending.timer);
    return pending;
  }

  #answered({ id, result, error }) {
    const pending = this.#settle(id);
    if (!pending) return;
    if (error === undefined) pending.resolve(result);
    else pending.reject(new HubError("ERR_BH_RPC", error.message, { rpcCode: error.code, data: error.data }));
  }

  #told({ method, params }) {
    if (method === "notifications/progress") {
      this.#pending.get(params?.progressToken)?.onProgress?.(params);
      return;
    }
    if (method === "notifications/cancelled") this.#answering.get(params?.requestId)?.abort(params?.reason);
    const notification = { method, params };
    for (const queue of this.#queues) queue.push(notification);
    this.emit("notification", notification);
    const [event, argument] = EVENTS[method] ?? [];
    if (event) this.emit(event, argument?.(params));
  }

  async #asked({ id, method, params }) {
    if (!this.#onRequest) {
      this.#reply({ id, error: { code: METHOD_NOT_FOUND, message: `${method} is not supported by this client` } });
      return;
    }
    const cancel = new AbortController();
    this.#answering.set(id, cancel);
    try {
      const result = (await this.#onRequest(method, params, { signal: cancel.signal })) ?? {};
      if (!cancel.signal.aborted) this.#reply({ id, result: check.object(result, `the result of ${method}`) });
    } catch (error) {
      this.#reply({ id, error: { code: INTERNAL_ERROR, ...told(error) } });
    } finally {
      this.#answering.delete(id);
    }
  }

  #reply(answer) {
    try {
      this.#channel.send({ jsonrpc: "2.0", ...answer });
    } catch (error) {
      // The end of the session is an answer too.
      if (error.code !== "ERR_BH_CLOSED") throw error;
    }
  }

  #end() {
    this.#reference.set(false);
    for (const id of [...this.#pending.keys()]) {
      this.#settle(id).reject(new HubError("ERR_BH_CLOSED", "the session has ended"));
    }
    for (const cancel of this.#answering.values()) cancel.abort();
    for (const queue of [...this.#queues]) queue.end();
    this.emit("close");
    this.removeAllListeners();
  }
}

module.exports = { Session };
