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
 * An error of the package. A handler of `serveInstance` can throw one with an `rpcCode`, to answer with that JSON-RPC
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
