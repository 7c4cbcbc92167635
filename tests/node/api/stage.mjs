// The stage server of the shared cases, as tests/vectors/README.md describes it.
import { EventEmitter, once } from "node:events";
import http from "node:http";

/** The id of the question that `ask` asks. */
const QUESTION = 4711;

const TOOLS = ["echo", "fail", "refuse", "hang", "talk", "ask"];

const text = (said) => ({ content: [{ type: "text", text: said }] });
const word = (data) => ({ method: "notifications/message", params: { level: "info", data } });
const refusal = (code, message, data) => ({ error: { code, message, data } });

/** What is answered at once; what a stream has to say comes from `streams`. */
function answer({ method, params }) {
  if (method === "initialize") {
    const capabilities = { tools: {}, logging: {} };
    const serverInfo = { name: "stage", version: "1.0.0" };
    return { result: { protocolVersion: "2025-11-25", capabilities, serverInfo } };
  }
  if (method === "ping") return { result: {} };
  if (method === "tools/list") {
    return { result: { tools: TOOLS.map((name) => ({ name, inputSchema: { type: "object" } })) } };
  }
  if (method !== "tools/call") return refusal(-32601, "unknown method");
  if (params.name === "echo") return { result: text(params.arguments?.message ?? "nothing") };
  if (params.name === "fail") return { result: { ...text("on purpose"), isError: true } };
  if (params.name === "refuse") return refusal(-32001, "refused", { why: "asked to" });
  return refusal(-32602, "unknown tool");
}

/** Tools that say something before they answer, or never do. */
const streams = {
  async *hang(_arguments, _answers, response) {
    yield word("hanging");
    await once(response, "close");
  },
  async *talk({ count = 1 } = {}) {
    for (let number = 0; number < count; number++) yield word(`word ${number}`);
    yield { result: text("said") };
  },
  async *ask(_arguments, answers) {
    const answered = once(answers, "answer");
    yield { id: QUESTION, method: "roots/list" };
    const [result] = await answered;
    yield { result: text(JSON.stringify(result)) };
  },
};

async function post(request, response, answers) {
  let body = "";
  for await (const piece of request.setEncoding("utf8")) body += piece;
  const asked = JSON.parse(body);
  if (asked.method === undefined || asked.id === undefined) {
    if (asked.id === QUESTION) answers.emit("answer", asked.result);
    response.writeHead(202).end();
    return;
  }
  const { id } = asked;
  const stream = asked.method === "tools/call" ? streams[asked.params.name] : undefined;
  if (!stream) {
    // Any session id will do: this server does not look at it.
    response.writeHead(200, { "content-type": "application/json", "mcp-session-id": "stage" });
    response.end(JSON.stringify({ jsonrpc: "2.0", id, ...answer(asked) }));
    return;
  }
  response.writeHead(200, { "content-type": "text/event-stream", "mcp-session-id": "stage" });
  for await (const said of stream(asked.params.arguments, answers, response)) {
    const message = said.method === undefined ? { id, ...said } : said;
    response.write(`event: message\ndata: ${JSON.stringify({ jsonrpc: "2.0", ...message })}\n\n`);
  }
  response.end();
}

/** Starts one that ends with the test, and returns its port. */
export async function stage(t) {
  const answers = new EventEmitter();
  const server = http.createServer((request, response) => {
    if (request.url !== "/mcp") response.writeHead(404).end();
    else if (request.method === "POST") post(request, response, answers);
    else response.writeHead(request.method === "DELETE" ? 200 : 405).end();
  });
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server.address().port;
}
