// Sessions: calls, progress, cancellation, errors, and what is lost.
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { test } from "node:test";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { Hub, HubError, Session, register, serveInstance } from "../../../npm/brummer-hub/index.mjs";
import { deferred, directory, program, until, windows, within } from "./support.mjs";

/** An instance with a tool of each kind, and a hub that has found it. */
async function instanceAndHub(t) {
  const dataDir = directory();
  const seen = { cancelled: deferred(), started: deferred(), steps: [] };
  const server = await serveInstance({
    name: "shop",
    dataDir,
    tools: {
      echo: (args) => args,
      text: () => "hello",
      nothing: () => {},
      fail: () => {
        throw new Error("it cannot be done");
      },
      refuse: () => {
        throw new HubError("ERR_BH_RPC", "refused", { rpcCode: -32099, data: { why: "so" } });
      },
      steps: async (_args, { progress, log }) => {
        progress(1, 3);
        progress(2, 3, "nearly");
        log("warning", { warned: true }, "steps");
        progress(3, 3);
        return "done";
      },
      wait: (_args, { signal }) =>
        new Promise((_, reject) => {
          seen.started.resolve();
          signal.addEventListener("abort", () => {
            seen.cancelled.resolve(signal.reason);
            reject(signal.reason);
          });
        }),
    },
    resources: [{ uri: "note://one", mimeType: "text/markdown", handler: () => "# One" }],
    resourceTemplates: {
      "note://all/{name}": (uri, { variables }) => ({ contents: [{ uri, text: variables.name }] }),
    },
    prompts: {
      greet: { arguments: [{ name: "who", required: true }], handler: ({ who }) => `Greet ${who}.` },
    },
  });
  t.after(() => server.close());
  const hub = await Hub.start({ dataDir });
  t.after(() => hub.close());
  return { dataDir, hub, seen, server };
}

test("an instance is connected to by id, alias or name, and has only its own tools", async (t) => {
  const { hub, server } = await instanceAndHub(t);
  for (const name of [server.id, "shop", "sho"]) {
    const session = await hub.connect(name);
    assert.ok(session instanceof Session);
    assert.equal(session.instance.id, server.id);
    assert.equal(session.instance.pid, process.pid);
    const tools = await session.listTools();
    assert.deepEqual(
      tools.map((tool) => tool.name),
      ["echo", "text", "nothing", "fail", "refuse", "steps", "wait"],
    );
    assert.deepEqual(
      (await session.listResources()).map((resource) => resource.uri),
      ["note://one"],
    );
    assert.deepEqual(
      (await session.listResourceTemplates()).map((template) => template.uriTemplate),
      ["note://all/{name}"],
    );
    assert.deepEqual(
      (await session.listPrompts()).map((prompt) => prompt.name),
      ["greet"],
    );
    await session.close();
    assert.ok(session.closed);
  }
});

test("one that nobody knows is an error that names the candidates", async (t) => {
  const { hub } = await instanceAndHub(t);
  await assert.rejects(hub.connect("nobody"), { name: "HubError", code: "ERR_BH_TOOL", message: /shop/ });
  await assert.rejects(hub.connect(7), { name: "TypeError", code: "ERR_BH_INVALID_ARGUMENT" });
  await assert.rejects(hub.connect("shop", { tiemout: 1 }), { code: "ERR_BH_INVALID_ARGUMENT", message: /tiemout/ });
});

test("tools, resources and prompts answer what their handlers return", async (t) => {
  const { hub } = await instanceAndHub(t);
  const session = await hub.connect("shop");
  const unicode = { text: "häßlich \u{1f9ea} \u2028 \\ \" \0", nested: [{ a: null }] };
  assert.deepEqual((await session.callTool("echo", unicode)).structuredContent, unicode);
  assert.deepEqual(await session.callTool("text"), { content: [{ type: "text", text: "hello" }] });
  assert.deepEqual(await session.callTool("nothing"), { content: [] });
  assert.deepEqual(await session.readResource("note://one"), {
    contents: [{ uri: "note://one", mimeType: "text/markdown", text: "# One" }],
  });
  assert.equal((await session.readResource("note://all/a%20b")).contents[0].text, "a b");
  assert.deepEqual((await session.getPrompt("greet", { who: "Ann" })).messages, [
    { role: "user", content: { type: "text", text: "Greet Ann." } },
  ]);
  assert.deepEqual(await session.request("ping"), {});
});

test("what fails says how", async (t) => {
  const { hub } = await instanceAndHub(t);
  const session = await hub.connect("shop");
  assert.deepEqual(await session.callTool("fail"), {
    content: [{ type: "text", text: "it cannot be done" }],
    isError: true,
  });
  const rpc = { name: "HubError", code: "ERR_BH_RPC" };
  await assert.rejects(session.callTool("refuse"), { ...rpc, rpcCode: -32099, data: { why: "so" }, message: "refused" });
  await assert.rejects(session.request("no/such"), { ...rpc, rpcCode: -32601 });
  await assert.rejects(session.readResource("note://none"), rpc);
  await assert.rejects(session.getPrompt("greet"), rpc);
  await assert.rejects(session.callTool(""), { code: "ERR_BH_INVALID_ARGUMENT" });
  await assert.rejects(session.callTool("text", {}, { signal: 1 }), { code: "ERR_BH_INVALID_ARGUMENT" });
});

test("progress comes in order, before the answer, and log messages come", async (t) => {
  const { hub } = await instanceAndHub(t);
  const session = await hub.connect("shop");
  const told = [];
  const logged = once(session, "log");
  const onProgress = ({ progress, total, message }) => told.push([progress, total, message]);
  const result = await session.callTool("steps", {}, { onProgress });
  assert.equal(result.content[0].text, "done");
  assert.deepEqual(told, [[1, 3, undefined], [2, 3, "nearly"], [3, 3, undefined]]);
  const [{ level, logger, data }] = await within(logged, "a log message");
  assert.deepEqual({ level, logger, data }, { level: "warning", logger: "steps", data: { warned: true } });
});

test("an aborted signal cancels before, during and after", async (t) => {
  const { hub, seen } = await instanceAndHub(t);
  const session = await hub.connect("shop");
  const reason = new Error("enough");
  await assert.rejects(session.callTool("text", {}, { signal: AbortSignal.abort(reason) }), {
    name: "AbortError",
    code: "ERR_BH_CANCELLED",
    cause: reason,
  });

  const during = new AbortController();
  const call = session.callTool("wait", {}, { signal: during.signal });
  await seen.started.promise;
  during.abort(reason);
  await assert.rejects(call, { name: "AbortError", code: "ERR_BH_CANCELLED", cause: reason });
  assert.equal((await within(seen.cancelled.promise, "the handler hears of it")).name, "AbortError");

  const after = new AbortController();
  await session.callTool("text", {}, { signal: after.signal });
  after.abort();
  assert.equal((await session.callTool("text")).content[0].text, "hello");
});

test("a call that takes too long is given up", async (t) => {
  const { hub, seen } = await instanceAndHub(t);
  const session = await hub.connect("shop");
  await assert.rejects(session.callTool("wait", {}, { timeout: 50 }), { code: "ERR_BH_TIMEOUT" });
  await within(seen.cancelled.promise, "the handler hears of it");
});

test("what is pending is rejected when the session or the hub is closed", async (t) => {
  const { hub, seen } = await instanceAndHub(t);
  const [one, other] = [await hub.connect("shop"), await hub.connect("shop")];
  const calls = [one.callTool("wait"), other.callTool("wait")];
  const outcomes = calls.map((call) => assert.rejects(call, { code: "ERR_BH_CLOSED" }));
  await seen.started.promise;
  const closed = once(one, "close");
  await one.close();
  await Promise.all([outcomes[0], closed]);
  await assert.rejects(one.callTool("text"), { code: "ERR_BH_CLOSED" });
  assert.throws(() => one.notify("notifications/none"), { code: "ERR_BH_CLOSED" });
  await one.close();
  await hub.close();
  await outcomes[1];
  await assert.rejects(hub.connect("shop"), { code: "ERR_BH_CLOSED" });
  assert.throws(() => hub.instances(), { code: "ERR_BH_CLOSED" });
  assert.throws(() => hub.watch(), { code: "ERR_BH_CLOSED" });
});

test("a lost instance rejects what was pending", { skip: windows }, async (t) => {
  const dataDir = directory();
  const source = `
    await api.serveInstance({
      name: "lost", dataDir,
      tools: { wait: () => { console.log("waiting"); return new Promise(() => {}); } },
    }).then((server) => server.ref());
    console.log("ready");`;
  const running = program(t, source, { dataDir });
  await running.line();
  const hub = await Hub.start({ dataDir });
  t.after(() => hub.close());
  const session = await hub.connect("lost");
  const call = session.callTool("wait");
  const outcome = assert.rejects(call, { code: "ERR_BH_RPC", message: /lost|ended|gone|answer/i });
  await running.line();
  running.child.kill("SIGKILL");
  await within(outcome, "the call fails");
  await until(hub, () => hub.instances().length === 0, "it is gone");
});

test("a session connects, switches and disconnects, and calls tools of others meanwhile", async (t) => {
  const { dataDir, hub, server } = await instanceAndHub(t);
  const other = await serveInstance({ name: "blog", dataDir, tools: { posts: () => "none" } });
  t.after(() => other.close());
  await until(hub, () => hub.instances().filter(({ state }) => state === "active").length === 2, "both are active");
  const session = await hub.session();
  assert.equal(session.instance, null);
  assert.deepEqual(await session.listTools(), []);
  await assert.rejects(session.callTool("nobody_has_this"), { code: "ERR_BH_RPC", rpcCode: -32602 });
  // What only one instance has needs no connection.
  assert.equal((await session.callTool("posts")).content[0].text, "none");
  const elsewhere = await session.callTool("posts", {}, { instance: "blog" });
  assert.deepEqual(elsewhere.content, [{ type: "text", text: "none" }]);
  assert.equal((await session.callTool("posts", {}, { instance: "nobody" })).isError, true);

  await session.connect("shop");
  assert.equal(session.instance.id, server.id);
  await assert.rejects(session.connect("nobody"), { code: "ERR_BH_TOOL", message: /blog/ });
  assert.equal(session.instance.id, server.id);
  assert.equal((await session.callTool("text")).content[0].text, "hello");
  await session.connect("blog", { timeout: 60_000 });
  assert.equal(session.instance.id, other.id);
  assert.deepEqual(
    (await session.listTools()).map(({ name }) => name),
    ["posts"],
  );
  await session.disconnect();
  assert.equal(session.instance, null);
  assert.deepEqual(await session.listTools(), []);
  await session.disconnect();
  await assert.rejects(session.connect("shop", { signal: AbortSignal.abort() }), { code: "ERR_BH_CANCELLED" });
  await session.close();
  await assert.rejects(session.connect("shop"), { code: "ERR_BH_CLOSED" });
});

test("what is no JSON is refused before it is sent, and answered when a handler returns it", async (t) => {
  const dataDir = directory();
  const cycle = {};
  cycle.self = cycle;
  const server = await serveInstance({
    name: "odd",
    dataDir,
    tools: {
      cycle: () => cycle,
      bigint: () => 1n,
      symbol: () => Symbol("odd"),
      data: () => {
        throw new HubError("ERR_BH_RPC", "with odd data", { rpcCode: -32050, data: cycle });
      },
      nothing: () => {
        throw Object.create(null);
      },
      progress: (_args, { progress }) => progress("half"),
    },
  });
  t.after(() => server.close());
  const invalid = { name: "TypeError", code: "ERR_BH_INVALID_ARGUMENT" };
  await assert.rejects(serveInstance({ dataDir, tools: { odd: { inputSchema: cycle, handler: () => 1 } } }), invalid);
  assert.throws(() => server.update({ tools: { odd: { inputSchema: { n: 1n }, handler: () => 1 } } }), invalid);
  const hub = await Hub.start({ dataDir });
  t.after(() => hub.close());
  const session = await hub.connect("odd");
  for (const args of [cycle, { n: 1n }, [1], "text", null]) await assert.rejects(session.callTool("x", args), invalid);
  await assert.rejects(session.request("x", [1]), invalid);
  assert.throws(() => session.notify("x", { n: 1n }), invalid);
  for (const name of ["cycle", "bigint", "nothing", "progress"]) {
    const { isError, content } = await session.callTool(name);
    assert.ok(isError && content[0].text.length > 0, name);
  }
  assert.equal((await session.callTool("symbol")).content[0].text, "Symbol(odd)");
  await assert.rejects(session.callTool("data"), { code: "ERR_BH_RPC", rpcCode: -32050, message: "with odd data" });
});

test("a session follows an instance that restarts", async (t) => {
  const { dataDir, hub, server } = await instanceAndHub(t);
  const session = await hub.connect("shop");
  const changes = session.notifications();
  await server.close();
  const again = await serveInstance({ name: "shop", dataDir, tools: { version: () => "2" } });
  t.after(() => again.close());
  const follows = () => session.listTools().then((tools) => tools.some(({ name }) => name === "version"), () => false);
  while (!(await follows())) await within(changes.next(), "it follows");
  assert.equal((await session.callTool("version")).content[0].text, "2");
});

test("notifications come as events and by an iterator", async (t) => {
  const { hub, server } = await instanceAndHub(t);
  const session = await hub.connect("shop");
  const notifications = session.notifications();
  await session.request("resources/subscribe", { uri: "note://one" });
  const updated = once(session, "resourceUpdated");
  server.resourceUpdated("note://one");
  assert.deepEqual(await within(updated, "an event"), ["note://one"]);
  const toolsChanged = once(session, "toolsChanged");
  server.update({ tools: { other: () => "new" } });
  await within(toolsChanged, "the tools change");
  assert.deepEqual(
    (await session.listTools()).map(({ name }) => name),
    ["other"],
  );
  const methods = new Set();
  for await (const { method } of notifications) {
    methods.add(method);
    if (methods.has("notifications/resources/updated") && methods.has("notifications/tools/list_changed")) break;
  }
  assert.deepEqual(await notifications.next(), { value: undefined, done: true });
});

test("questions of the instance are answered by the program", async (t) => {
  const dataDir = directory();
  const sessions = new Map();
  const server = http.createServer(async (request, response) => {
    const id = request.headers["mcp-session-id"];
    let transport = sessions.get(id);
    if (!transport) {
      transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: () => String(sessions.size + 1),
        onsessioninitialized: (made) => sessions.set(made, transport),
      });
      const own = new McpServer({ name: "asks", version: "1" });
      own.registerTool("ask", {}, async () => {
        const { roots } = await own.server.listRoots();
        return { content: [{ type: "text", text: roots[0].uri }] };
      });
      await own.connect(transport);
    }
    await transport.handleRequest(request, response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const registration = register({ port: server.address().port, name: "asks", dataDir });
  t.after(() => registration.close());
  const hub = await Hub.start({ dataDir });
  t.after(() => hub.close());
  const asked = [];
  const session = await hub.connect("asks", {
    capabilities: { roots: {} },
    onRequest: (method) => {
      asked.push(method);
      return { roots: [{ uri: "file:///here" }] };
    },
  });
  assert.equal((await session.callTool("ask")).content[0].text, "file:///here");
  assert.deepEqual(asked, ["roots/list"]);
  const mute = await hub.connect("asks", { capabilities: { roots: {} } });
  assert.equal((await mute.callTool("ask")).isError, true);
  for (const wrong of [{ roots: [1n] }, "no object", [1]]) {
    const odd = await hub.connect("asks", { capabilities: { roots: {} }, onRequest: () => wrong });
    assert.equal((await within(odd.callTool("ask"), "an answer")).isError, true);
  }
});

test("a resource that is subscribed to says when it changes, until it is not any more", async (t) => {
  const { hub, server } = await instanceAndHub(t);
  const session = await hub.connect("shop");
  await session.subscribe("note://one");
  const changed = once(session, "resourceUpdated");
  server.resourceUpdated("note://one");
  assert.deepEqual(await within(changed, "the change"), ["note://one"]);
  await session.unsubscribe("note://one");
  let heard = 0;
  session.on("resourceUpdated", () => heard++);
  server.resourceUpdated("note://one");
  // The instance has heard of the change by now, and the hub would have passed it on.
  await session.callTool("text");
  assert.equal(heard, 0);
  await assert.rejects(session.subscribe(""), { code: "ERR_BH_INVALID_ARGUMENT" });
  await assert.rejects(session.unsubscribe(7), { code: "ERR_BH_INVALID_ARGUMENT" });
});

test("a tool that no client could call is refused at once", async (t) => {
  const dataDir = directory();
  const tool = () => "hello";
  for (const name of ["", "two words", "a/b", "größe", "x".repeat(129)]) {
    await assert.rejects(serveInstance({ dataDir, tools: { [name]: tool } }), ({ code, message }) => {
      assert.equal(code, "ERR_BH_INVALID_ARGUMENT");
      assert.match(message, /tool name/);
      return true;
    });
  }
  const twice = [
    { name: "one", handler: tool },
    { name: "one", handler: tool },
  ];
  await assert.rejects(serveInstance({ dataDir, tools: twice }), { code: "ERR_BH_INVALID_ARGUMENT", message: /two of `tools`/ });
  const server = await serveInstance({ dataDir, tools: { ["x".repeat(128)]: tool, "a.b-c_D": tool } });
  t.after(() => server.close());
  assert.throws(() => server.update({ tools: { "a b": tool } }), { code: "ERR_BH_INVALID_ARGUMENT" });
});
