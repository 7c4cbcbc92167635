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
  /** What hubs are to send to the server as `Authorization: Bearer`. It stands in the announcement, which only this user can read. */
  token?: string;
  /** Other header fields that hubs are to send to the server. */
  headers?: Record<string, string>;
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
