import { Served, type ServedOptions } from "./served.js";

/** A server that speaks only stdio, and how it is announced. */
export interface ServeStdioOptions extends ServedOptions {
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
  /** What people call it; the program's name unless given. */
  name?: string;
  /** Where it is started, and the project that it belongs to; the working directory unless given. */
  path?: string | URL;
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
export declare class StdioInstance extends Served {
  private constructor();
  /** What is known of its processes now. */
  report(): StdioReport;
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
