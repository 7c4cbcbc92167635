/** A server that speaks only stdio, and how it is announced. */
export interface ServeStdioOptions {
  /** The program: looked for in `PATH` unless it has a path in it. It has the environment of this process. */
  command: string;
  /** What it is given. */
  args?: readonly string[];
  /** Whether each session of a client has a process of its own; `false` unless given: one process for all. */
  perSession?: boolean;
  /** Milliseconds that a process is kept which nobody needs; ten minutes unless given, `Infinity` keeps it. */
  idle?: number;
  /** The file in which it is kept what the server offers, so that it is listed before the server runs; nowhere unless given. */
  inventory?: string | URL;
  /** The port on 127.0.0.1; any free one unless given. */
  port?: number;
  /** What people call it; the program's name unless given. */
  name?: string;
  /** Where it is started, and the project that it belongs to; the working directory unless given. */
  path?: string | URL;
  /** Id; a random UUID unless given. */
  id?: string;
  /** Version of the program. */
  version?: string;
  /** Labels, for people. */
  labels?: Record<string, string>;
  /** Where to announce; where this user's hubs look unless given. */
  dataDir?: string | URL;
}

/** What is known of the processes of a stdio server. */
export interface StdioReport {
  /** Whose a process is. */
  sharing: "shared" | "per-session";
  /** Its processes; none while nobody needs it. */
  processes: { pid?: number; state: "starting" | "running" | "ending" }[];
  /** Sessions that are open. */
  sessions: number;
  /** Tools that it offers. */
  tools: number;
  /** What it offers was said in an earlier run. */
  isStale: boolean;
  /** Processes that were started so far. */
  starts: number;
  /** How the last one ended, such as `exit code 1`. */
  lastEnd: string | null;
  /** Lines on its standard output that were no messages. */
  garbage: number;
  /** The end of what it wrote to standard error, the oldest line first. */
  stderr: string[];
}

/** A stdio server that is an instance. */
export declare class StdioInstance {
  private constructor();
  /** Its id. */
  readonly id: string;
  /** The port on 127.0.0.1. */
  readonly port: number;
  /** URL of its MCP endpoint. */
  readonly url: string;
  /** What a client without a hub sends as `Authorization: Bearer`. */
  readonly token: string | null;
  /** The file that hubs read; `null` when it could not be written, and after `close()`. */
  readonly file: string | null;
  /** Whether it was closed. */
  readonly closed: boolean;
  /** What is known of its processes now. */
  report(): StdioReport;
  /** Keeps the event loop alive until it is closed, or `unref()`. */
  ref(): this;
  /** Undoes `ref()`. */
  unref(): this;
  /** Takes the announcement back, lets requests finish, and ends its processes. Any number of times. */
  close(): Promise<void>;
  /** The same as {@link StdioInstance.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Makes an instance of an MCP server that speaks only stdio: one process that all hubs and clients share, started when a call needs
 * it, ended when nobody does, started anew after a crash. It ends like a registration: see `register`.
 *
 * @example
 * ```js
 * const memory = await serveStdio({ command: "npx", args: ["-y", "@modelcontextprotocol/server-memory"], name: "memory" });
 * ```
 * @throws `ERR_BH_IO` when the port cannot be listened on, `ERR_BH_INVALID_ARGUMENT`. A program that cannot be started is no error:
 * {@link StdioInstance.report} and the calls that need it say why.
 */
export declare function serveStdio(options: ServeStdioOptions): Promise<StdioInstance>;
