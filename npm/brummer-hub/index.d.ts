/**
 * One MCP server for every dev process on a machine, from within a Node program: announce a server ({@link register}), serve
 * tools of one's own ({@link serveInstance}), or embed the hub ({@link Hub}).
 *
 * Nothing here keeps the event loop alive on its own: neither a hub, nor a session, a registration or a server. What does
 * is a request that is not answered yet, a call of a tool that is running, and whatever `ref()` was called on.
 *
 * All errors are `Error` objects with a `code`, one of {@link HubErrorCode}.
 *
 * @packageDocumentation
 */
/// <reference types="node" />
import { EventEmitter } from "node:events";

/** Version of the package. */
export declare const version: string;

/**
 * What went wrong:
 *
 * - `ERR_BH_CANCELLED`: the signal of the call was aborted; the error's name is `AbortError`, its `cause` the signal's reason.
 * - `ERR_BH_CLOSED`: the hub or the session has ended, also while the call was waiting.
 * - `ERR_BH_INVALID_ARGUMENT`: an argument is missing or says something that cannot be meant; a `TypeError`.
 * - `ERR_BH_IO`: the system did not let us: a file that cannot be written, a port that is taken.
 * - `ERR_BH_RPC`: the hub or the instance answered with a JSON-RPC error: see `rpcCode` and `data`. So does an instance that
 *   was lost while a call was waiting.
 * - `ERR_BH_TIMEOUT`: no answer within the time that was given.
 * - `ERR_BH_TOOL`: a tool of the hub refused, such as to connect to an instance that nobody knows; the message names the
 *   candidates.
 * - `ERR_BH_UNSUPPORTED`: the addon is not there, or cannot be loaded; the message says what to do.
 */
export type HubErrorCode =
  | "ERR_BH_CANCELLED"
  | "ERR_BH_CLOSED"
  | "ERR_BH_INVALID_ARGUMENT"
  | "ERR_BH_IO"
  | "ERR_BH_RPC"
  | "ERR_BH_TIMEOUT"
  | "ERR_BH_TOOL"
  | "ERR_BH_UNSUPPORTED";

/**
 * An error of the package. A handler of {@link serveInstance} can throw one with an `rpcCode`, to answer with that JSON-RPC
 * error.
 */
export declare class HubError extends Error {
  constructor(code: HubErrorCode, message: string, details?: { cause?: unknown; rpcCode?: number; data?: unknown });
  /** What went wrong. */
  readonly code: HubErrorCode;
  /** The JSON-RPC error code, for `ERR_BH_RPC`. */
  readonly rpcCode?: number;
  /** What the JSON-RPC error has as `data`. */
  readonly data?: unknown;
}

/** What to announce: a server that listens already. */
export interface RegisterOptions {
  /** The port on loopback, read from the server that listens. */
  port: number;
  /** What people call it; `name` of `package.json`, or the directory's name, unless given. */
  name?: string;
  /** The project directory; the working directory unless given. */
  path?: string | URL;
  /** Path of the MCP endpoint; `/mcp` unless given. */
  endpoint?: string;
  /** Id, `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`; a random UUID unless given. */
  id?: string;
  /** The process that serves; this one unless given. */
  pid?: number;
  /** Version of the program. */
  version?: string;
  /** Labels, for people. */
  labels?: Record<string, string>;
  /** Where to announce; where this user's hubs look unless given (`BRUMMER_DATA_DIR` says so too). */
  dataDir?: string | URL;
}

/** An announcement that stands. */
export declare class Registration {
  private constructor();
  /** The instance's id. */
  readonly id: string;
  /** The file that hubs read. */
  readonly file: string;
  /** Takes it back. Can be called any number of times. */
  close(): Promise<void>;
  /** The same as {@link Registration.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Announces a server of this program, so that every hub of this user finds it. Call it when the server listens.
 *
 * The announcement is taken back by `close()`, at the normal end of the process, and when a SIGINT, SIGTERM or SIGHUP ends it.
 * The program's own signal handlers stay in charge: if there is one, nothing is done before `exit`. In a worker thread,
 * it is taken back when the worker ends. If the process crashes, hubs see that it is gone.
 *
 * @example
 * ```js
 * const server = http.createServer(app).listen(0, "127.0.0.1", () => {
 *   register({ port: server.address().port, name: "shop" });
 * });
 * ```
 * @throws `ERR_BH_INVALID_ARGUMENT` for what no hub would accept, `ERR_BH_IO` when the file cannot be written. A server works
 * without being announced: report the error and go on.
 */
export declare function register(options: RegisterOptions): Registration;

/** Where an instance stands. */
export type InstanceState = "discovered" | "connecting" | "active" | "retrying" | "dead";

/** An instance as the hub knows it at one moment. */
export interface Instance {
  /** Id, unique on the machine. */
  id: string;
  /** Short name, stable over restarts. */
  alias: string;
  /** Name that it announced. */
  name: string;
  /** Project directory. */
  path: string;
  /** Loopback port of its MCP server. */
  port: number;
  /** Path of its MCP endpoint. */
  endpoint?: string;
  /** Process that announced it. */
  pid: number;
  /** When it began to listen, as it said (RFC 3339). */
  started: string;
  /** Where it stands. */
  state: InstanceState;
  /** When the hub last connected to it (RFC 3339). */
  connectedAt: string | null;
  /** Whether the project has a `package.json`. */
  hasPackageJson: boolean;
  /** Which kind of MCP it speaks, once known: `legacy` has the `initialize` handshake. */
  era: "legacy" | "modern" | null;
  /** Revision of MCP that was settled on with it. */
  protocolVersion: string | null;
  /** Round trip of the last check, in milliseconds. */
  latencyMs: number | null;
  /** Version of the program, if it said. */
  version?: string;
  /** Labels that its owner gave it. */
  labels?: Record<string, string>;
  /** What else its file says. */
  extra?: Record<string, unknown>;
}

/** Something happened to an instance. It is told after the list shows it. */
export type HubEvent =
  | {
      /** An instance was announced, and is in the list now. */
      type: "appeared";
      instance: Instance;
    }
  | {
      /** An instance is in another state. */
      type: "state";
      instance: Instance;
      /** The state it was in. */
      from: InstanceState;
    }
  | {
      /** An instance got the alias of its predecessor. */
      type: "alias";
      instance: Instance;
    }
  | {
      /** An instance left the list. */
      type: "gone";
      instance: Instance;
    }
  | {
      /** The reader was too slow and missed some events: read the list again. */
      type: "lagged";
      missed: number;
    };

/** Settings of a hub. Times are in milliseconds. */
export interface HubOptions {
  /** The only place where instances are looked for; all places of this user unless given. */
  dataDir?: string | URL;
  /** Until a request that shows no progress is given up; an hour. */
  callTimeout?: number;
  /** Until a TCP connection to an instance stands; 3 s. */
  connectTimeout?: number;
  /** Until an instance has answered the handshake; 10 s. */
  initializeTimeout?: number;
  /** Between two looks at a silent instance; 5 s. */
  pingInterval?: number;
  /** How long an instance that does not answer is retried while its process lives; a minute. */
  giveUpAfter?: number;
  /** The largest message, in bytes; 64 MiB. */
  maxMessageBytes?: number;
  /** Instances beyond this number are refused; 1024. */
  maxInstances?: number;
}

/** Events of a {@link Hub}. */
export interface HubEventMap {
  appeared: [event: Extract<HubEvent, { type: "appeared" }>];
  state: [event: Extract<HubEvent, { type: "state" }>];
  alias: [event: Extract<HubEvent, { type: "alias" }>];
  gone: [event: Extract<HubEvent, { type: "gone" }>];
  lagged: [event: Extract<HubEvent, { type: "lagged" }>];
  /** Each of those above. */
  event: [event: HubEvent];
  /** The hub was closed. */
  close: [];
}

/** An iterator that ends with `break`, with its signal, or with what it iterates over. */
export interface Watch<T> extends AsyncIterableIterator<T> {
  next(): Promise<IteratorResult<T, undefined>>;
  return(): Promise<IteratorResult<T, undefined>>;
  [Symbol.asyncIterator](): Watch<T>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * A hub within this process. It stops with {@link Hub.close}, or when it is collected.
 *
 * @example
 * ```js
 * const hub = await Hub.start();
 * for (const { alias, port, state } of hub.instances()) console.log(alias, port, state);
 * const shop = await hub.connect("shop");
 * console.log(await shop.callTool("orders", { open: true }));
 * await hub.close();
 * ```
 */
export declare class Hub extends EventEmitter<HubEventMap> {
  private constructor();
  /**
   * Starts a hub. The promise is kept when the instances that were announced already have been tried; after at most a
   * second.
   */
  static start(options?: HubOptions): Promise<Hub>;
  /** Whether it was closed. */
  readonly closed: boolean;
  /** The instances that are not dead, now, in the order of their aliases. */
  instances(): Instance[];
  /**
   * What happens to instances from now on. Of a reader that is more than 1,024 events behind, the rest is counted in a
   * `lagged` event.
   *
   * @throws `ERR_BH_CLOSED`. An aborted signal makes the iteration throw `ERR_BH_CANCELLED`.
   */
  watch(options?: { signal?: AbortSignal }): Watch<HubEvent>;
  /**
   * Opens a session with an instance, named by id, alias, name, or the beginning of one that only it has.
   *
   * @throws `ERR_BH_TOOL` when there is no such instance, several could be meant, or it does not answer.
   */
  connect(idOrName: string, options?: ConnectOptions): Promise<Session>;
  /** Keeps the event loop alive until the hub is closed, or `unref()`. */
  ref(): this;
  /** Undoes `ref()`. */
  unref(): this;
  /** Ends all sessions, closes all connections, and waits for it; two seconds at most. Any number of times. */
  close(): Promise<void>;
  /** The same as {@link Hub.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Settings of one request. */
export interface RequestOptions {
  /** Cancels the request; the instance is told. */
  signal?: AbortSignal;
  /** Called for each step that the instance tells of. */
  onProgress?: (progress: Progress) => void;
  /** Milliseconds until the request is cancelled. */
  timeout?: number;
}

/** A step of a request. */
export interface Progress {
  progress: number;
  total?: number;
  message?: string;
  [member: string]: unknown;
}

/** A message of the instance that wants no answer. */
export interface Notification {
  method: string;
  params?: Record<string, unknown>;
}

/** Settings of a session. */
export interface ConnectOptions {
  /** How the program introduces itself to the instance. */
  clientInfo?: { name: string; version: string; [member: string]: unknown };
  /** What the program can do for the instance, such as `{ sampling: {} }`. */
  capabilities?: Record<string, unknown>;
  /** Answers the questions of the instance (`sampling/createMessage`, `elicitation/create`, `roots/list`) with a result. */
  onRequest?: (
    method: string,
    params: Record<string, unknown> | undefined,
    context: { signal: AbortSignal },
  ) => unknown;
  /** Gives up. */
  signal?: AbortSignal;
  /** Milliseconds that each step may take. */
  timeout?: number;
}

/** A tool, as an instance describes it. */
export interface Tool {
  name: string;
  title?: string;
  description?: string;
  inputSchema: { type: "object"; [member: string]: unknown };
  outputSchema?: { [member: string]: unknown };
  annotations?: Record<string, unknown>;
  [member: string]: unknown;
}

/** A piece of content: text, image, audio, resource, or a link to one. */
export interface ContentBlock {
  type: string;
  text?: string;
  data?: string;
  mimeType?: string;
  [member: string]: unknown;
}

/** What a tool answered. With `isError`, the tool says that it failed. */
export interface CallToolResult {
  content: ContentBlock[];
  structuredContent?: unknown;
  isError?: boolean;
  [member: string]: unknown;
}

/** A resource, as an instance describes it. */
export interface Resource {
  uri: string;
  name: string;
  title?: string;
  description?: string;
  mimeType?: string;
  [member: string]: unknown;
}

/** Resources whose URIs fit a template (RFC 6570). */
export interface ResourceTemplate {
  uriTemplate: string;
  name: string;
  title?: string;
  description?: string;
  mimeType?: string;
  [member: string]: unknown;
}

/** What a resource holds. */
export interface ReadResourceResult {
  contents: { uri: string; mimeType?: string; text?: string; blob?: string; [member: string]: unknown }[];
  [member: string]: unknown;
}

/** A prompt, as an instance describes it. */
export interface Prompt {
  name: string;
  title?: string;
  description?: string;
  arguments?: { name: string; description?: string; required?: boolean; [member: string]: unknown }[];
  [member: string]: unknown;
}

/** One message of a prompt. */
export interface PromptMessage {
  role: "user" | "assistant";
  content: ContentBlock;
}

/** A prompt that was filled in. */
export interface GetPromptResult {
  description?: string;
  messages: PromptMessage[];
  [member: string]: unknown;
}

/** Events of a {@link Session}. */
export interface SessionEventMap {
  /** Any notification, but progress. */
  notification: [notification: Notification];
  toolsChanged: [];
  resourcesChanged: [];
  promptsChanged: [];
  /** A resource that was subscribed to has changed. */
  resourceUpdated: [uri: string];
  /** A log message of the instance. */
  log: [message: { level: string; logger?: string; data: unknown }];
  /** The session has ended. */
  close: [];
}

/**
 * A conversation with one instance. If the instance restarts, the session goes on with its successor. Messages are as
 * MCP has them (revision 2025-11-25), whatever revision the instance speaks.
 *
 * Requests reject with `ERR_BH_RPC` for a JSON-RPC error, `ERR_BH_CANCELLED`, `ERR_BH_TIMEOUT`, or `ERR_BH_CLOSED`.
 */
export declare class Session extends EventEmitter<SessionEventMap> {
  private constructor();
  /** The instance, as it was when the session was opened. */
  readonly instance: Omit<Instance, "endpoint">;
  /** Its hub. */
  readonly hub: Hub;
  /** Whether it has ended. */
  readonly closed: boolean;
  /** Sends any request and resolves with its result, as it is. */
  request<Result = any>(method: string, params?: object, options?: RequestOptions): Promise<Result>;
  /** Sends any notification. */
  notify(method: string, params?: object): void;
  /** All tools of the instance. One that is named like a tool of the hub has the instance's alias in front of its name. */
  listTools(options?: RequestOptions): Promise<Tool[]>;
  /** All resources of the instance. */
  listResources(options?: RequestOptions): Promise<Resource[]>;
  /** All its templates. */
  listResourceTemplates(options?: RequestOptions): Promise<ResourceTemplate[]>;
  /** All its prompts. */
  listPrompts(options?: RequestOptions): Promise<Prompt[]>;
  /** Calls a tool. A tool that fails resolves with `isError`. */
  callTool(name: string, args?: Record<string, unknown>, options?: RequestOptions): Promise<CallToolResult>;
  /** Reads a resource. */
  readResource(uri: string, options?: RequestOptions): Promise<ReadResourceResult>;
  /** Fills a prompt in. */
  getPrompt(name: string, args?: Record<string, string>, options?: RequestOptions): Promise<GetPromptResult>;
  /**
   * Notifications from now on, but progress. Of a reader that is more than 1,024 behind, the rest is counted in one with the
   * method `brummer/lagged`.
   */
  notifications(options?: { signal?: AbortSignal }): Watch<Notification>;
  /** Keeps the event loop alive until the session ends, or `unref()`. */
  ref(): this;
  /** Undoes `ref()`. */
  unref(): this;
  /** Ends it, and waits until its connections are closed. What is pending rejects with `ERR_BH_CLOSED`. */
  close(): Promise<void>;
  /** The same as {@link Session.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Settings of a {@link HubTransport}. */
export interface HubTransportOptions {
  /**
   * What `tools/list` shows: the hub's tools and those of the connected instance (`connected`), those of all instances
   * (`all`), or the hub's only (`hub`).
   */
  tools?: "connected" | "all" | "hub";
  /** Longest tool name with `all`; 46. */
  nameBudget?: number;
  /** Whether the instance of the working directory is connected by itself; true. */
  autoConnect?: boolean;
  /** The directory that the client works in. */
  workingDirectory?: string | URL;
}

/**
 * Connects the `Client` of the official MCP SDK, version 1 (`@modelcontextprotocol/sdk`) or 2
 * (`@modelcontextprotocol/client`), to a hub within this process, without stdio. One transport is one session.
 *
 * @example
 * ```js
 * const client = new Client({ name: "my-program", version: "1.0.0" });
 * await client.connect(new HubTransport(hub));
 * ```
 */
export declare class HubTransport {
  constructor(hub: Hub, options?: HubTransportOptions);
  /** Its hub. */
  readonly hub: Hub;
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  onmessage?: ((message: any, extra?: any) => void) | undefined;
  sessionId?: string | undefined;
  /** Opens the session; the client does it. */
  start(): Promise<void>;
  /** Sends one message. */
  send(message: object, options?: object): Promise<void>;
  /** Ends the session, and waits until its connections are closed. */
  close(): Promise<void>;
}

/** What a handler is told beside its arguments. */
export interface HandlerContext {
  /** Aborted when the client cancels the request or goes away, or the server ends. */
  signal: AbortSignal;
  /** Tells the client how far it is; only tools have a client that hears it. */
  progress(done: number, total?: number, message?: string): void;
  /** Writes a log message to the client; only tools. */
  log(
    level: "debug" | "info" | "notice" | "warning" | "error" | "critical" | "alert" | "emergency",
    data: unknown,
    logger?: string,
  ): void;
}

/**
 * A tool's handler. It may return a text, content as MCP has it (`{ content: […] }`), any other JSON value (sent as structured
 * content), or nothing. What it throws is the message that the model reads; a {@link HubError} with an `rpcCode` becomes
 * that JSON-RPC error. Arguments are as the client sent them: nothing has been checked against the schema.
 */
export type ToolHandler = (args: any, context: HandlerContext) => unknown;

/** A tool to serve. */
export interface ToolDefinition {
  name: string;
  title?: string;
  description?: string;
  /** JSON schema of the arguments; any object unless given. */
  inputSchema?: { [member: string]: unknown };
  outputSchema?: { [member: string]: unknown };
  annotations?: Record<string, unknown>;
  handler: ToolHandler;
}

/** What a resource's handler is told. */
export interface ReadContext extends HandlerContext {
  /** What stands for the variables of the template, decoded. */
  variables: Record<string, string>;
}

/** A resource's handler. It may return a text, bytes, `{ contents: […] }`, or any other JSON value. */
export type ResourceHandler = (uri: string, context: ReadContext) => unknown;

/** A resource to serve. */
export interface ResourceDefinition {
  uri: string;
  /** The URI unless given. */
  name?: string;
  title?: string;
  description?: string;
  mimeType?: string;
  handler: ResourceHandler;
}

/** Resources to serve whose URIs fit a template. */
export interface ResourceTemplateDefinition {
  uriTemplate: string;
  /** The template unless given. */
  name?: string;
  title?: string;
  description?: string;
  mimeType?: string;
  handler: ResourceHandler;
}

/** A prompt's handler. It may return a text for the user to say, messages, or `{ messages: […] }`. */
export type PromptHandler = (args: Record<string, string>, context: HandlerContext) => unknown;

/** A prompt to serve. */
export interface PromptDefinition {
  name: string;
  title?: string;
  description?: string;
  arguments?: { name: string; description?: string; required?: boolean }[];
  handler: PromptHandler;
}

/** A list of definitions, or an object that has them by name; there, a function alone is a definition too. */
type Definitions<Definition, Key extends keyof Definition, Handler> =
  | readonly Definition[]
  | { [key: string]: Omit<Definition, Key> | Handler };

/** What an instance offers. */
export interface Offer {
  tools?: Definitions<ToolDefinition, "name", ToolHandler>;
  resources?: Definitions<ResourceDefinition, "uri", ResourceHandler>;
  resourceTemplates?: Definitions<ResourceTemplateDefinition, "uriTemplate", ResourceHandler>;
  prompts?: Definitions<PromptDefinition, "name", PromptHandler>;
  /** Completes an argument (`completion/complete`): the values that fit, best first. */
  complete?: (request: any, context: HandlerContext) => Iterable<string> | Promise<Iterable<string>>;
}

/** An instance to serve. */
export interface ServeInstanceOptions extends Offer {
  /** The port on 127.0.0.1; any free one unless given. */
  port?: number;
  /** What people call it; `name` of `package.json`, or the directory's name, unless given. */
  name?: string;
  /** The project directory; the working directory unless given. */
  path?: string | URL;
  /** Id; a random UUID unless given. */
  id?: string;
  /** Version of the program. */
  version?: string;
  /** Labels, for people. */
  labels?: Record<string, string>;
  /** What a model should know of the tools as a whole. */
  instructions?: string;
  /** Where to announce; where this user's hubs look unless given. */
  dataDir?: string | URL;
}

/** A running instance. */
export declare class InstanceServer {
  private constructor();
  /** Its id. */
  readonly id: string;
  /** The port on 127.0.0.1. */
  readonly port: number;
  /** URL of its MCP endpoint. */
  readonly url: string;
  /** The file that hubs read; `null` when it could not be written, and after `close()`. */
  readonly file: string | null;
  /** Whether it was closed. */
  readonly closed: boolean;
  /** Replaces all that it offers. Clients are told which lists have changed. */
  update(offer: Offer): void;
  /** Tells the clients that subscribed to it that a resource has changed. */
  resourceUpdated(uri: string): void;
  /** Keeps the event loop alive until the server is closed, or `unref()`. */
  ref(): this;
  /** Undoes `ref()`. */
  unref(): this;
  /** Takes the announcement back, lets requests finish for two seconds, and ends. Any number of times. */
  close(): Promise<void>;
  /** The same as {@link InstanceServer.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Serves tools, resources and prompts of this program over MCP on loopback, and announces them, so that every hub of
 * this user finds them. It ends like a registration: see {@link register}.
 *
 * @example
 * ```js
 * const server = await serveInstance({
 *   name: "shop",
 *   tools: { orders: { description: "Lists the open orders", handler: () => ({ open: 3 }) } },
 * });
 * ```
 * @throws `ERR_BH_IO` when the port cannot be listened on, `ERR_BH_INVALID_ARGUMENT`. An announcement that cannot be written
 * is no error: see {@link InstanceServer.file}.
 */
export declare function serveInstance(options?: ServeInstanceOptions): Promise<InstanceServer>;
