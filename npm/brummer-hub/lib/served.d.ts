/** What is announced of a server of this process. */
export interface ServedOptions {
  /** The port on 127.0.0.1; any free one unless given. */
  port?: number;
  /** Id; a random UUID unless given. */
  id?: string;
  /** Version of the program. */
  version?: string;
  /** Labels, for people. */
  labels?: Record<string, string>;
  /** Where to announce; where this user's hubs look unless given. */
  dataDir?: string | URL;
}

/** A server of this process that runs and is announced. */
export declare abstract class Served {
  protected constructor();
  /** Its id. */
  readonly id: string;
  /** The port on 127.0.0.1. */
  readonly port: number;
  /** URL of its MCP endpoint. */
  readonly url: string;
  /** What a client without a hub sends as `Authorization: Bearer`; `null` for a server without a token. */
  readonly token: string | null;
  /** The file that hubs read; `null` when it could not be written, and after `close()`. */
  readonly file: string | null;
  /** Whether it was closed. */
  readonly closed: boolean;
  /** Keeps the event loop alive until it is closed, or `unref()`. */
  ref(): this;
  /** Undoes `ref()`. */
  unref(): this;
  /** Takes the announcement back, lets requests finish for a while, and ends with all its processes. Any number of times. */
  close(): Promise<void>;
  /** The same as {@link Served.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}
