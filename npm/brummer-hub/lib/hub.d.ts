/// <reference types="node" />
import { EventEmitter } from "node:events";
import type { Session, SessionOptions } from "./session.js";
import type { Watch } from "./queue.js";

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

/** An event of an instance. The list of instances shows the change before the event is emitted. */
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
  connect(idOrName: string, options?: SessionOptions): Promise<Session>;
  /** Opens a session that is connected to no instance yet: see {@link Session.connect}. */
  session(options?: SessionOptions): Promise<Session>;
  /** Keeps the event loop alive until the hub is closed, or `unref()`. */
  ref(): this;
  /** Undoes `ref()`. */
  unref(): this;
  /** Ends all sessions, closes all connections, and waits for it; two seconds at most. Any number of times. */
  close(): Promise<void>;
  /** The same as {@link Hub.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}
