// Serves a program that speaks MCP of 2026-07-28 on its stdio over HTTP, so that clients which know HTTP only (the
// conformance suite) can test the hub: a POST is a line, the answer is JSON, or an event stream if something comes before
// it; closing the stream is the cancellation. What only HTTP has is checked here: header fields, `Host` and `Origin`, and
// the status that goes with an error. Prints `{"port":…}`.
//
// On stdio the hub lists all instances in one list; PREFIX is what stands before the names of the tested one there. It is
// put before names on the way in, and cut off on the way out.
//
//   node bridge-modern.mjs PREFIX COMMAND [ARGUMENT…]
import { localhostHostValidation, localhostOriginValidation } from "@modelcontextprotocol/node";
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

const VERSION = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES = "io.modelcontextprotocol/clientCapabilities";
const SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId";
const [prefix, command, ...commandArguments] = process.argv.slice(2);

const child = spawn(command, commandArguments, { stdio: ["pipe", "pipe", "inherit"] });
/** The requests under way, by the id that they have on stdio: clients number theirs without knowing of each other. */
const open = new Map();
let last = 0;

createInterface({ input: child.stdout }).on("line", (line) => {
  const message = JSON.parse(line);
  if (message.method === undefined) {
    open.get(message.id)?.answer(message);
    open.delete(message.id);
  } else {
    const exchange = receiver(message);
    exchange?.tell(message);
  }
});

/** Whose stream a notification belongs on. */
function receiver({ method, params }) {
  const listen = params?._meta?.[SUBSCRIPTION];
  if (listen !== undefined) return open.get(listen);
  const all = [...open.values()];
  if (method === "notifications/progress") return all.findLast(({ token }) => token === params.progressToken);
  return all.findLast(({ request }) => request.method !== "subscriptions/listen");
}

/** What only a server on HTTP can find wrong with a request: the status, the code and a message. */
function refused(request, headers) {
  const { method, params } = request;
  if (method === "initialize") return [404, -32601, "there is no handshake in this revision"];
  const mismatch = (name) => [400, -32020, `${name} is not what the body says`];
  const version = params?._meta?.[VERSION];
  if (typeof version === "string" && headers["mcp-protocol-version"] !== version) return mismatch("MCP-Protocol-Version");
  if (headers["mcp-method"] !== method) return mismatch("Mcp-Method");
  const named = { "tools/call": "name", "prompts/get": "name", "resources/read": "uri" }[method];
  if (named && decoded(headers["mcp-name"]) !== params?.[named]) return mismatch("Mcp-Name");
  return undefined;
}

function decoded(value) {
  const wrapped = value?.match(/^=\?base64\?(.*)\?=$/)?.[1];
  return wrapped === undefined ? value : Buffer.from(wrapped, "base64").toString();
}

/** The status of an answer. What is not told by HTTP itself is a success. */
function status({ error }, { params }) {
  if (error === undefined) return 200;
  if (error.code === -32601) return 404;
  const meta = params?._meta;
  const incomplete = typeof meta?.[VERSION] !== "string" || typeof meta?.[CAPABILITIES] !== "object";
  return [-32020, -32021, -32022].includes(error.code) || (error.code === -32602 && incomplete) ? 400 : 200;
}

/** The request as the hub takes it. */
function inward({ method, params, ...rest }, id) {
  const copy = structuredClone(params);
  if (["tools/call", "prompts/get"].includes(method) && copy?.name !== undefined) copy.name = prefix + copy.name;
  if (method === "completion/complete" && copy?.ref?.name !== undefined) copy.ref.name = prefix + copy.ref.name;
  return { ...rest, id, method, ...(copy !== undefined && { params: copy }) };
}

/** The message as a client of the instance alone would have got it. */
function outward(message, request) {
  const copy = { ...structuredClone(message), ...(message.id !== undefined && { id: request.id }) };
  for (const holder of [copy.params, copy.result]) {
    if (holder?._meta?.[SUBSCRIPTION] !== undefined) holder._meta[SUBSCRIPTION] = request.id;
  }
  for (const list of ["tools", "prompts"]) {
    if (!Array.isArray(copy.result?.[list])) continue;
    const own = copy.result[list].filter(({ name }) => name.startsWith(prefix));
    copy.result[list] = own.map((item) => ({ ...item, name: item.name.slice(prefix.length) }));
  }
  if (Array.isArray(copy.result?.resources)) {
    copy.result.resources = copy.result.resources.filter(({ uri }) => !uri.startsWith("brummer:"));
  }
  return copy;
}

function exchange(request, response) {
  const id = (last += 1);
  const stream = () => {
    if (!response.headersSent) response.writeHead(200, { "content-type": "text/event-stream", "x-accel-buffering": "no" });
  };
  const event = (message) => response.write(`event: message\ndata: ${JSON.stringify(outward(message, request))}\n\n`);
  open.set(id, {
    request,
    token: request.params?._meta?.progressToken,
    tell(message) {
      stream();
      event(message);
    },
    answer(message) {
      if (!response.headersSent) {
        response.writeHead(status(message, request), { "content-type": "application/json" });
        response.end(JSON.stringify(outward(message, request)));
      } else {
        event(message);
        response.end();
      }
    },
  });
  response.on("close", () => {
    if (!open.delete(id)) return;
    const cancelled = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: id } };
    child.stdin.write(`${JSON.stringify(cancelled)}\n`);
  });
  child.stdin.write(`${JSON.stringify(inward(request, id))}\n`);
}

const guards = [localhostHostValidation(), localhostOriginValidation()];
const listener = createServer(async (incoming, response) => {
  if (!guards.every((guard) => guard(incoming, response))) return;
  if (incoming.method !== "POST") return void response.writeHead(405, { allow: "POST" }).end();
  const chunks = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const request = JSON.parse(Buffer.concat(chunks).toString());
  if (request.id === undefined) return void response.writeHead(202).end();
  const wrong = refused(request, incoming.headers);
  if (!wrong) return exchange(request, response);
  const [code, error, message] = wrong;
  response.writeHead(code, { "content-type": "application/json" });
  response.end(JSON.stringify({ jsonrpc: "2.0", id: request.id, error: { code: error, message } }));
});
listener.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${JSON.stringify({ port: listener.address().port })}\n`);
});
