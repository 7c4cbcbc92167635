import type { Hub } from "./hub.js";

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
