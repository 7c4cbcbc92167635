import type { IncomingMessage, ServerResponse } from "node:http";

/** Prints what pages send of their console, at `/__brummer/console`; passes on whatever else is asked for. */
export function middleware(options?: {
  /** Called with each message, of one line or more [default: writes to standard error]. */
  print?: (message: string) => void;
}): (request: IncomingMessage, response: ServerResponse, next?: () => void) => void;

/** JavaScript for a page, as a script or before other code: sends errors and warnings of its console to `middleware`. */
export function script(): string;

/**
 * A plugin for Vite, also within Nuxt, Astro, SvelteKit and others: prints errors and warnings of the browser's console on the dev
 * server's standard error. Does nothing where Vite does so itself.
 */
export function viteConsole(): {
  name: string;
  apply: "serve";
  configResolved(config: { server?: unknown }): void;
  configureServer(server: { middlewares: { use(route: string, handler: unknown): unknown } }): void;
  transform(code: string, id: string, options?: { ssr?: boolean }): { code: string; map: null } | null;
};

/** The same for webpack and Rspack with their dev servers. */
export class WebpackConsole {
  apply(compiler: unknown): void;
}
