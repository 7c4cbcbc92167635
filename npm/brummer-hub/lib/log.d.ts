/** How grave a line is; each level has those before it. */
export type LogLevel = "error" | "warn" | "info" | "debug" | "trace";

/** One thing that the library has to say. */
export interface LogLine {
  level: LogLevel;
  /** The part of the library that says it. */
  target: string;
  message: string;
}

/** Somebody who listens to the log. */
export declare class LogListener {
  private constructor();
  /** Stops listening; lines that are on their way still arrive. May be called any number of times. */
  close(): void;
  /** The same as {@link LogListener.close}, for `using`. */
  [Symbol.dispose](): void;
}

/**
 * Calls `listener` with what the library has to say: of all hubs, sessions and servers of the process, in whatever thread they
 * were started. Without it, nothing is said anywhere.
 *
 * - `error`: what makes the hub fail.
 * - `warn`: also what it had to refuse or put right, such as a file that announces nonsense. A healthy hub says nothing here.
 * - `info`: also instances that come and go, and what they should have answered.
 * - `debug`: also every decision. `trace`: everything.
 *
 * A listener that is more than a thousand lines behind misses some, and gets a line that says how many.
 *
 * @example
 * ```js
 * onLog(({ level, message }) => console.error(`${level}: ${message}`));
 * ```
 * @throws `ERR_BH_INVALID_ARGUMENT`, `ERR_BH_UNSUPPORTED`.
 */
export declare function onLog(listener: (line: LogLine) => void, options?: { level?: LogLevel }): LogListener;
