import { Served, type ServedOptions } from "./served.js";

/** What a handler gets beside its arguments. */
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
 * content), or nothing. What it throws is the message that the model reads; a `HubError` with an `rpcCode` becomes
 * that JSON-RPC error. Arguments are as the client sent them: nothing has been checked against the schema.
 */
export type ToolHandler = (args: any, context: HandlerContext) => unknown;

/** A tool to serve. */
export interface ToolDefinition {
  /** 1 to 128 letters, digits, `_`, `-` and `.`; each tool has another. */
  name: string;
  title?: string;
  description?: string;
  /** JSON schema of the arguments; any object unless given. */
  inputSchema?: { [member: string]: unknown };
  outputSchema?: { [member: string]: unknown };
  annotations?: Record<string, unknown>;
  handler: ToolHandler;
}

/** What a resource's handler gets beside the URI. */
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

/** What a client asks to have completed. */
export interface CompletionRequest {
  /** The prompt, by its name, or the resource template, by its URI template, whose argument it is. */
  ref: { type: "ref/prompt"; name: string; title?: string } | { type: "ref/resource"; uri: string };
  /** The argument, and what was typed of it so far. */
  argument: { name: string; value: string };
  /** The arguments that are filled in already, by name. */
  context?: { arguments?: Record<string, string> };
}

/** What an instance offers. */
export interface Offer {
  tools?: Definitions<ToolDefinition, "name", ToolHandler>;
  resources?: Definitions<ResourceDefinition, "uri", ResourceHandler>;
  resourceTemplates?: Definitions<ResourceTemplateDefinition, "uriTemplate", ResourceHandler>;
  prompts?: Definitions<PromptDefinition, "name", PromptHandler>;
  /** Completes an argument (`completion/complete`): the values that fit, best first. A client is sent the first 100. */
  complete?: (request: CompletionRequest, context: HandlerContext) => Iterable<string> | Promise<Iterable<string>>;
}

/** An instance to serve. */
export interface ServeInstanceOptions extends Offer, ServedOptions {
  /** What people call it; `name` of `package.json`, or the directory's name, unless given. */
  name?: string;
  /** The project directory; the working directory unless given. */
  path?: string | URL;
  /**
   * Whether requests must carry a token, which hubs read from the announcement; `true` unless given. With `false`, every
   * program of every user of this machine can call what is offered.
   */
  token?: boolean;
  /** What a model should know of the tools as a whole. */
  instructions?: string;
  /** The largest message that is taken from a client, in bytes; 16 MiB. */
  maxBodyBytes?: number;
  /** Requests that are served at a time, open streams included; 256. More are answered with HTTP status 503. */
  maxRequests?: number;
  /** Sessions of clients before 2026-07-28; 256. When there is one more, the one that has been idle longest is ended. */
  maxSessions?: number;
  /** Milliseconds that a session without an open stream and without requests is kept; ten minutes. */
  sessionIdle?: number;
  /** Milliseconds that requests may go on after `close()`; two seconds. */
  grace?: number;
}

/** A running instance. */
export declare class InstanceServer extends Served {
  private constructor();
  /** Replaces all that it offers. Clients are told which lists have changed. */
  update(offer: Offer): void;
  /** Tells the clients that subscribed to it that a resource has changed. */
  resourceUpdated(uri: string): void;
}

/**
 * Serves tools, resources and prompts of this program over MCP on loopback, and announces them, so that every hub of
 * this user finds them. It ends like a registration: see `register`.
 *
 * @example
 * ```js
 * const server = await serveInstance({
 *   name: "shop",
 *   tools: { orders: { description: "Lists the open orders", handler: () => ({ open: 3 }) } },
 * });
 * ```
 * @throws `ERR_BH_IO` when the port cannot be listened on, `ERR_BH_INVALID_ARGUMENT`. An announcement that cannot be written
 * is not an error: see {@link InstanceServer.file}.
 */
export declare function serveInstance(options?: ServeInstanceOptions): Promise<InstanceServer>;
