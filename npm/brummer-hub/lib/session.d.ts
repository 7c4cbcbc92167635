/// <reference types="node" />
import { EventEmitter } from "node:events";
import type { Hub, Instance } from "./hub.js";
import type {
  CallToolResult,
  GetPromptResult,
  Prompt,
  ReadResourceResult,
  Resource,
  ResourceTemplate,
  Tool,
} from "./mcp.js";
import type { Watch } from "./queue.js";

/** How long something may take. */
export interface WaitOptions {
  /** Cancels it; the instance is notified. */
  signal?: AbortSignal;
  /** Milliseconds until it is cancelled. */
  timeout?: number;
}

/** Settings of one request. */
export interface RequestOptions extends WaitOptions {
  /** Called for each step that the instance tells of. */
  onProgress?: (progress: Progress) => void;
}

/** Settings of a tool call. */
export interface CallOptions extends RequestOptions {
  /**
   * Which instance's tool is meant (id, alias, name, or the beginning of one that only it has), whatever the session is
   * connected to. When there is no such instance, the result says so, with `isError`.
   */
  instance?: string;
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
export interface SessionOptions {
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
  /** Gives up opening it. */
  signal?: AbortSignal;
  /** Milliseconds that each step of opening it may take. */
  timeout?: number;
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
 * A conversation with the hub, and with the instance that it is connected to. If the instance restarts, the session goes on
 * with its successor. Messages are as MCP has them (revision 2025-11-25), whatever revision the instance speaks.
 *
 * Requests reject with `ERR_BH_RPC` for a JSON-RPC error, `ERR_BH_CANCELLED`, `ERR_BH_TIMEOUT`, or `ERR_BH_CLOSED`.
 */
export declare class Session extends EventEmitter<SessionEventMap> {
  private constructor();
  /** The instance, as it was when the session was connected to it; `null` when it is connected to none. */
  readonly instance: Omit<Instance, "endpoint"> | null;
  /** Its hub. */
  readonly hub: Hub;
  /** Whether it has ended. */
  readonly closed: boolean;
  /**
   * Connects it to an instance, named by id, alias, name, or the beginning of one that only it has. A former connection is
   * replaced, once the new one stands.
   *
   * @throws `ERR_BH_TOOL` when there is no such instance, several could be meant, or it does not answer.
   */
  connect(idOrName: string, options?: WaitOptions): Promise<void>;
  /** Ends the connection to its instance, if it has one. */
  disconnect(options?: WaitOptions): Promise<void>;
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
  /** Calls a tool: one of the connected instance, of the instance that the options name, or of the hub. One that fails resolves with `isError`. */
  callTool(name: string, args?: Record<string, unknown>, options?: CallOptions): Promise<CallToolResult>;
  /** Reads a resource. */
  readResource(uri: string, options?: RequestOptions): Promise<ReadResourceResult>;
  /**
   * Asks to be told when a resource changes: by the event `resourceUpdated`. It holds until `unsubscribe` or the end of the session,
   * also when the instance restarts.
   */
  subscribe(uri: string, options?: RequestOptions): Promise<void>;
  /** Undoes `subscribe`. */
  unsubscribe(uri: string, options?: RequestOptions): Promise<void>;
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
