/// <reference types="node" />
/**
 * One MCP server for every dev process on a machine, from within a Node program: announce a server (`register`), serve
 * tools of one's own (`serveInstance`), share a server that speaks only stdio (`serveStdio`), or embed the hub (`Hub`).
 *
 * Nothing here keeps the event loop alive on its own: neither a hub, nor a session, a registration or a server. What does
 * is a request that is not answered yet, a call of a tool that is running, and whatever `ref()` was called on.
 *
 * All errors are `Error` objects with a `code`, one of `HubErrorCode`.
 *
 * @packageDocumentation
 */

/** Version of the package. */
export declare const version: string;

export * from "./lib/errors.js";
export * from "./lib/hub.js";
export * from "./lib/instance.js";
export * from "./lib/log.js";
export type * from "./lib/mcp.js";
export type { Watch } from "./lib/queue.js";
export * from "./lib/registration.js";
export * from "./lib/session.js";
export * from "./lib/stdio.js";
export * from "./lib/transport.js";
