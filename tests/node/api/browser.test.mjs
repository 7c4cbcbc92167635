// What the console of a browser says reaches the output of a dev server, by the plugins of the package.
import assert from "node:assert/strict";
import http from "node:http";
import { once } from "node:events";
import net from "node:net";
import { createRequire } from "node:module";
import { test } from "node:test";
import vm from "node:vm";

const require = createRequire(import.meta.url);
const { WebpackConsole, middleware, script, viteConsole } = require("../../../npm/brummer-hub/browser.js");

/** A server with the middleware, and what it has printed. */
async function served(t) {
  const printed = [];
  const handler = middleware({ print: (message) => printed.push(message) });
  const server = http.createServer((request, response) => handler(request, response, () => response.end("other")));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const origin = `http://127.0.0.1:${server.address().port}`;
  const post = (body, headers = {}) =>
    fetch(`${origin}/__brummer/console`, {
      method: "POST",
      headers: { "content-type": "application/json", origin, ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  return { origin, post, printed };
}

/** The status of a request as no client of Node would send it. */
async function asked(port, target, lines, body = "") {
  const socket = net.connect(port, "127.0.0.1");
  socket.write([`${target} HTTP/1.1`, ...lines, "Connection: close", "", body].join("\r\n"));
  let text = "";
  for await (const chunk of socket) text += chunk;
  return Number(text.split(" ")[1]);
}

/** Runs the client in a page that is none, and returns what it sends. */
function page() {
  const listeners = {};
  const sent = [];
  const shown = [];
  const timers = [];
  const console = { error: (...values) => shown.push(values), warn: (...values) => shown.push(values), log() {} };
  const context = vm.createContext({
    console,
    setTimeout: (callback) => timers.push(callback),
    addEventListener: (name, listener) => (listeners[name] = listener),
    fetch: async (url, { body }) => sent.push(...JSON.parse(body)),
  });
  vm.runInContext(script(), context);
  const flush = () => timers.splice(0).forEach((callback) => callback());
  return { context, listeners, sent, shown, flush };
}

test("a page tells errors and warnings of its console, and what nobody caught", () => {
  const { context, listeners, sent, shown, flush } = page();
  vm.runInContext(
    `console.error("%s of %o%c", "one", { two: 2 }, "color: red", "three");
     console.warn("careful"); console.log("nothing");
     globalThis.thrown = new TypeError("boom");`,
    context,
  );
  listeners.error({ error: context.thrown, message: "boom" });
  listeners.error({});
  listeners.unhandledrejection({ reason: "no reason" });
  assert.equal(sent.length, 0, "several go together");
  flush();
  assert.deepEqual(sent.slice(0, 2), [
    { kind: "console.error", text: 'one of {"two":2} three' },
    { kind: "console.warn", text: "careful" },
  ]);
  assert.equal(sent[2].kind, "Unhandled error");
  assert.match(sent[2].text, /^TypeError: boom\n\s+at /);
  assert.deepEqual(sent.slice(3), [{ kind: "Unhandled rejection", text: "no reason" }]);
  assert.equal(shown.length, 2, "the console has them all the same");
});

test("a page in a loop says how much it leaves out", () => {
  const { context, sent, flush } = page();
  vm.runInContext("for (let i = 0; i < 500; i++) console.error('again')", context);
  flush();
  assert.equal(sent.length, 51);
  assert.deepEqual(sent[50], { kind: "console.warn", text: "450 more messages are left out" });
});

test("stacks without their message get it", () => {
  const { context, sent, flush } = page();
  vm.runInContext(
    `console.error(Object.assign(new RangeError("far"), { stack: "pay@http://a/src/pay.js:3:5\\n@http://a/src/b.js:1:1\\n" }))`,
    context,
  );
  flush();
  assert.equal(sent[0].text, "RangeError: far\n    at pay (http://a/src/pay.js:3:5)\n    at  (http://a/src/b.js:1:1)");
});

test("messages are printed as one, and cannot pass for others", async (t) => {
  const { origin, post, printed } = await served(t);
  const messages = [
    { kind: "Unhandled error", text: "TypeError: boom\n    at pay (http://a/src/pay.js:3:5)\nGET / 200\u001b[2J" },
    { kind: "console.log", text: "not told" },
    { kind: "console.warn", text: "careful" },
  ];
  assert.equal((await post(messages)).status, 204);
  assert.deepEqual(printed, [
    "[browser] [Unhandled error] TypeError: boom\n      at pay (http://a/src/pay.js:3:5)\n  GET / 200[2J",
    "[browser] [console.warn] careful",
  ]);
  printed.length = 0;
  const said = ["a", "", "\ufeffLocal: http://localhost:1/", "\u00a0b", "\u3000c", "\td", "e\u2028f\u0085g\u202eh\r", " ", ""];
  assert.equal((await post([{ kind: "console.warn", text: said.join("\n") }])).status, 204);
  const lines = ["[browser] [console.warn] a", "  Local: http://localhost:1/", "  \u00a0b", "  \u3000c", "  \td", "  efgh"];
  assert.deepEqual(printed, [lines.join("\n")]);
  assert.equal(await (await fetch(`${origin}/page`)).text(), "other");
});

test("pages of others, and what is no message, are refused", async (t) => {
  const { origin, post, printed } = await served(t);
  const message = [{ kind: "console.error", text: "x" }];
  assert.equal((await post(message, { origin: "http://evil.example" })).status, 403);
  assert.equal((await post(message, { "sec-fetch-site": "cross-site" })).status, 403);
  assert.equal((await post(message, { "content-type": "text/plain" })).status, 403);
  assert.equal((await fetch(`${origin}/__brummer/console`)).status, 403);
  assert.equal((await post("{")).status, 400);
  assert.equal((await post({})).status, 400);
  const large = await post(JSON.stringify("x".repeat(2 ** 21))).then(({ status }) => status, () => 413);
  assert.equal(large, 413);
  assert.deepEqual(printed, []);
});

test("whatever is asked for, nothing is thrown", async (t) => {
  const targets = ["//", "http://[", "//:99999999/", "*", "/%", "/?/__brummer/console", "/__brummer/console/"];
  const { origin, post, printed } = await served(t);
  for (const target of targets) {
    assert.equal(await asked(new URL(origin).port, `GET ${target}`, ["Host: localhost"]), 200, target);
  }
  const alone = http.createServer(middleware()).listen(0, "127.0.0.1");
  await once(alone, "listening");
  t.after(() => alone.close());
  for (const target of targets) {
    assert.equal(await asked(alone.address().port, `GET ${target}`, ["Host: localhost"]), 404, target);
  }
  for (const lines of [["Host:"], ["Host: ["], ["Host: localhost", "Origin: //"], ["Host: localhost", "Origin: null"]]) {
    const all = [...lines, "Content-Type: application/json", "Content-Length: 0"];
    assert.equal(await asked(alone.address().port, "POST /__brummer/console", all), 403, `${lines}`);
  }
  // A server that has failed would not take another one.
  assert.equal((await post([null, 1, { kind: {} }, { kind: "console.warn", text: 1 }])).status, 204);
  assert.deepEqual(printed, []);
});

test("a page at a name that was made to lead here is refused", async (t) => {
  const { origin, post, printed } = await served(t);
  const { port } = new URL(origin);
  const send = (host, lines) => {
    const body = '[{"kind":"console.warn","text":"x"}]';
    const all = [`Host: ${host}`, "Content-Type: application/json", `Content-Length: ${body.length}`, ...lines];
    return asked(port, "POST /__brummer/console", all, body);
  };
  const own = [`localhost:${port}`, `app.localhost:${port}`, `127.0.0.1:${port}`, `127.1.2.3:${port}`, `[::1]:${port}`, "localhost"];
  for (const host of own) {
    assert.equal(await send(host, [`Origin: http://${host}`]), 204, host);
    assert.equal(await send(host, ["Sec-Fetch-Site: same-origin"]), 204, host);
    assert.equal(await send(host, [`Origin: http://evil.example:${port}`]), 403, host);
  }
  const foreign = ["evil.example", "localhost.evil.example", "evil-localhost", "127.0.0.1.evil.example", "192.168.1.2", "[::2]"];
  for (const name of foreign) {
    const host = `${name}:${port}`;
    assert.equal(await send(host, [`Origin: http://${host}`]), 403, host);
    assert.equal(await send(host, ["Sec-Fetch-Site: same-origin"]), 403, host);
  }
  assert.equal(printed.length, 2 * own.length);
  assert.equal((await post([])).status, 204);
});

test("Vite has the client loaded by every page, unless it does so itself", () => {
  const client = "/app/node_modules/vite/dist/client/client.mjs";
  const plugin = viteConsole();
  plugin.configResolved({ server: {} });
  assert.match(plugin.transform("code", client).code, /^code\n[^]*__brummer/);
  assert.equal(plugin.transform("code", client, { ssr: true }), null);
  assert.equal(plugin.transform("code", "/app/src/client.mjs"), null);
  const routes = [];
  plugin.configureServer({ middlewares: { use: (route, handler) => routes.push([route, typeof handler]) } });
  assert.deepEqual(routes, [["/__brummer/console", "function"]]);
  plugin.configResolved({ server: { forwardConsole: { enabled: true } } });
  assert.equal(plugin.transform("code", client), null);
});

test("webpack gets an entry and a middleware, but not for production", () => {
  const entries = [];
  class EntryPlugin {
    constructor(context, entry, options) {
      entries.push([context, entry, options]);
    }
    apply() {}
  }
  const compiler = (mode, devServer) => ({ context: "/app", options: { mode, devServer }, webpack: { EntryPlugin } });
  new WebpackConsole().apply(compiler("production"));
  assert.deepEqual(entries, []);
  const development = compiler("development", { setupMiddlewares: (all) => [...all, "theirs"] });
  new WebpackConsole().apply(development);
  assert.match(entries[0][1], /page\.js$/);
  const all = development.options.devServer.setupMiddlewares(["first"], {});
  assert.deepEqual(all.map((it) => it.name ?? it), ["brummer-hub", "first", "theirs"]);
  // webpack-dev-server 6 is a plugin with a copy of its options.
  const server = { options: { port: 1 }, setupMiddlewares() {} };
  const plugged = compiler("development", undefined);
  plugged.options.plugins = [null, { apply() {} }, server];
  new WebpackConsole().apply(plugged);
  assert.deepEqual(server.options.setupMiddlewares(["first"], {}).map((it) => it.name ?? it), ["brummer-hub", "first"]);
});
