"use strict";
// What the console of the browser says, in the output of the dev server: for those that do not show it themselves.
const { readFileSync } = require("node:fs");
const path = require("node:path");

/** Where pages send it. */
const PLACE = "/__brummer/console";
/** A page sends at most fifty messages of 4,000 characters at a time. */
const MAX_BYTES = 1024 * 1024;
const MAX_MESSAGES = 51;
const KINDS = new Set(["console.error", "console.warn", "Unhandled error", "Unhandled rejection"]);
const CLIENT = path.join(__dirname, "lib/page.js");

/** Names of this machine that nobody else can give an address. */
const LOOPBACK = /^(?:(?:[a-z0-9-]+\.)*localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]+)?$/i;

/**
 * Whether a page of this very server asks: those of others must not write into the log. A page at a name of its own that was
 * made to lead here is of the same origin as far as the browser knows; only the name tells.
 */
function isOwn({ headers }) {
  // HTTP/2 has a word of its own for it.
  const host = headers.host ?? headers[":authority"];
  if (!LOOPBACK.test(host)) return false;
  const site = headers["sec-fetch-site"];
  if (site !== undefined) return site === "same-origin";
  try {
    return new URL(headers.origin).host === host;
  } catch {
    return false;
  }
}

/** Control characters, and what turns the direction of text, ends lines or has no width. */
// eslint-disable-next-line no-control-regex
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** A message as it is printed. Its further lines are indented and none is empty, so that all are known to be the page's. */
function printed({ kind, text }) {
  const [first, ...rest] = text.slice(0, 4000).replace(UNSEEN, "").split("\n");
  const below = rest.filter((line) => line.trim() !== "").map((line) => `  ${line}`);
  return [`[browser] [${kind}] ${first}`, ...below].join("\n");
}

function middleware({ print = (line) => process.stderr.write(`${line}\n`) } = {}) {
  return (request, response, next) => {
    // Below a router that has taken the place off, what is left is `/`. Not everything that is asked for is a URL.
    const [asked] = String(request.originalUrl ?? request.url).split("?", 1);
    if (asked !== PLACE) return next ? next() : response.writeHead(404).end();
    const isJson = /^application\/json\b/.test(request.headers["content-type"] ?? "");
    if (request.method !== "POST" || !isJson || !isOwn(request)) return response.writeHead(403).end();
    const chunks = [];
    let size = 0;
    request.on("data", (chunk) => {
      // What is read already still comes after it was refused.
      if (size > MAX_BYTES) return;
      size += chunk.length;
      if (size <= MAX_BYTES) return chunks.push(chunk);
      response.writeHead(413).end();
      request.destroy();
    });
    request.on("end", () => {
      if (size > MAX_BYTES) return;
      let messages;
      try {
        messages = JSON.parse(Buffer.concat(chunks).toString("utf8"));
      } catch {
        return response.writeHead(400).end();
      }
      const known = (message) => KINDS.has(message?.kind) && typeof message.text === "string";
      if (!Array.isArray(messages)) return response.writeHead(400).end();
      for (const message of messages.slice(0, MAX_MESSAGES).filter(known)) print(printed(message));
      return response.writeHead(204).end();
    });
  };
}

/** What a page has to run. */
const script = () => readFileSync(CLIENT, "utf8");

function viteConsole() {
  let isNeeded = true;
  return {
    name: "brummer-hub:browser",
    apply: "serve",
    configResolved({ server }) {
      // Vite 8 does it itself where it knows that an agent reads what it prints.
      isNeeded = !server?.forwardConsole || server.forwardConsole.enabled === false;
    },
    configureServer({ middlewares }) {
      // By its place, which is how frameworks know what belongs to Vite.
      middlewares.use(PLACE, middleware());
    },
    transform(code, id, options) {
      // The module that Vite has loaded by each page, whatever the framework.
      if (!isNeeded || options?.ssr || !/[\\/]vite[\\/]dist[\\/]client[\\/]client\.mjs(?:\?|$)/.test(id)) return null;
      return { code: `${code}\n${script()}`, map: null };
    },
  };
}

class WebpackConsole {
  apply(compiler) {
    if (compiler.options.mode === "production") return;
    // An entry without a name goes before all others.
    new compiler.webpack.EntryPlugin(compiler.context, CLIENT, { name: undefined }).apply(compiler);
    // From version 6 on, webpack-dev-server is a plugin itself, and has copied its options already.
    const servers = (compiler.options.plugins ?? []).filter((it) => it?.options && typeof it.setupMiddlewares === "function");
    for (const options of [(compiler.options.devServer ??= {}), ...servers.map((server) => server.options)]) {
      const theirs = options.setupMiddlewares;
      options.setupMiddlewares = (middlewares, server) => {
        const all = theirs ? theirs(middlewares, server) : middlewares;
        all.unshift({ name: "brummer-hub", middleware: middleware() });
        return all;
      };
    }
  }
}

module.exports = { WebpackConsole, middleware, script, viteConsole };
