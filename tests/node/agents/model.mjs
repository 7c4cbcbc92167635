// A model that does as it is told: it speaks the forms of the Anthropic Messages, OpenAI Chat Completions, OpenAI
// Responses and Gemini interfaces on loopback, and asks `next` what to say. Only what agents read is filled in.
import { createServer } from "node:http";

/** What one dialect reads from a request: the tools offered, by the name the model must use, and all results so far. */
const DIALECTS = [
  { path: /\/messages$/, read: readMessages, write: writeMessages },
  { path: /\/chat\/completions$/, read: readChat, write: writeChat },
  { path: /\/responses$/, read: readResponses, write: writeResponses },
  { path: /generateContent$/i, read: readGemini, write: writeGemini },
];

/** What a request may take at most: whole conversations with all schemas. */
const LIMIT_BYTES = 64 * 1024 * 1024;

/**
 * Starts it. `next({ tools, results })` returns `{ text }` or `{ tool, arguments }`; `tool` is one of `tools`. A request
 * that offers no tools is a side job (a title, a summary) and gets "ok".
 */
export async function startModel(next) {
  let count = 0;
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://model");
    try {
      const body = await readBody(request);
      const dialect = DIALECTS.find(({ path }) => path.test(pathname));
      if (dialect) {
        const heard = dialect.read(body);
        const said = heard.tools.length ? await next(heard) : { text: "ok" };
        const streamed = body.stream === true || /stream/i.test(pathname);
        const answer = dialect.write(said, { body, streamed, id: ++count });
        return streamed ? sendEvents(response, answer) : sendJson(response, answer);
      }
      if (pathname.endsWith("/count_tokens")) return sendJson(response, { input_tokens: 10 });
      if (pathname.endsWith("/models")) return sendJson(response, { object: "list", data: [{ id: "scripted", object: "model" }], models: [] });
      sendJson(response, { error: { message: "the scripted model has nothing there" } }, 404);
    } catch (error) {
      sendJson(response, { error: { message: String(error) } }, 500);
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: server.address().port, close: () => (server.closeAllConnections(), server.close()) };
}

async function readBody(request) {
  const pieces = [];
  let size = 0;
  for await (const piece of request) {
    if ((size += piece.length) > LIMIT_BYTES) throw new Error("the request is too large");
    pieces.push(piece);
  }
  return size ? JSON.parse(Buffer.concat(pieces).toString("utf8")) : {};
}

function sendJson(response, value, status = 200) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}

/** `events` are `[name or null, data]`. */
function sendEvents(response, events) {
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const [name, data] of events) {
    if (name) response.write(`event: ${name}\n`);
    response.write(`data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`);
  }
  response.end();
}

/** Contents of any dialect as the text that a model reads. */
function text(content) {
  if (typeof content === "string") return content;
  if (Array.isArray(content)) return content.map((part) => part.text ?? JSON.stringify(part)).join("\n");
  return JSON.stringify(content);
}

function readMessages({ tools = [], messages = [] }) {
  const parts = messages.flatMap(({ content }) => (Array.isArray(content) ? content : []));
  const results = parts.filter(({ type }) => type === "tool_result").map((part) => text(part.content));
  return { tools: tools.map(({ name }) => name), results };
}

function writeMessages(said, { body, streamed, id }) {
  const use = said.tool && { type: "tool_use", id: `toolu_${String(id).padStart(20, "0")}`, name: said.tool };
  const block = use ? { ...use, input: said.arguments } : { type: "text", text: said.text };
  const usage = { input_tokens: 10, output_tokens: 1 };
  const message = { id: `msg_${id}`, type: "message", role: "assistant", model: body.model, content: [], usage };
  const stop = { stop_reason: use ? "tool_use" : "end_turn", stop_sequence: null };
  if (!streamed) return { ...message, content: [block], ...stop };
  const begun = use ? { ...use, input: {} } : { type: "text", text: "" };
  const delta = use
    ? { type: "input_json_delta", partial_json: JSON.stringify(said.arguments) }
    : { type: "text_delta", text: said.text };
  const start = { ...message, stop_reason: null, stop_sequence: null };
  return [
    ["message_start", { type: "message_start", message: start }],
    ["content_block_start", { type: "content_block_start", index: 0, content_block: begun }],
    ["content_block_delta", { type: "content_block_delta", index: 0, delta }],
    ["content_block_stop", { type: "content_block_stop", index: 0 }],
    ["message_delta", { type: "message_delta", delta: stop, usage }],
    ["message_stop", { type: "message_stop" }],
  ];
}

function readChat({ tools = [], messages = [] }) {
  const results = messages.filter(({ role }) => role === "tool").map(({ content }) => text(content));
  return { tools: tools.map((tool) => tool.function?.name ?? tool.name), results };
}

function writeChat(said, { body, streamed, id }) {
  const call = said.tool && { name: said.tool, arguments: JSON.stringify(said.arguments) };
  const message = { role: "assistant", content: said.text ?? null };
  if (call) message.tool_calls = [{ index: 0, id: `call_${id}`, type: "function", function: call }];
  const base = { id: `chatcmpl-${id}`, created: 1, model: body.model };
  const reason = call ? "tool_calls" : "stop";
  const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
  if (!streamed) return { ...base, object: "chat.completion", choices: [{ index: 0, message, finish_reason: reason }], usage };
  const chunk = (delta, finish_reason) => [
    null,
    { ...base, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason }], ...(finish_reason && { usage }) },
  ];
  return [chunk(message, null), chunk({}, reason), [null, "[DONE]"]];
}

/** What stands between a name space of tools and the name of a tool in it. */
const WITHIN = "/";

function readResponses({ tools = [], input = [] }) {
  const names = tools.flatMap((tool) =>
    tool.type === "namespace"
      ? (tool.tools ?? []).map((inner) => `${tool.name}${WITHIN}${inner.name ?? inner.function?.name}`)
      : [tool.name ?? tool.type],
  );
  const items = Array.isArray(input) ? input : [];
  // What a search for tools has found is offered by being in its output.
  const found = items.filter(({ type }) => type === "tool_search_output").flatMap(({ tools }) => readResponses({ tools }).tools);
  const results = items.filter(({ type }) => type?.endsWith("_output")).map((item) => text(item.output ?? item.tools));
  return { tools: [...names, ...found], results };
}

function writeResponses(said, { body, streamed, id }) {
  const usage = {
    input_tokens: 1,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 1,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 2,
  };
  const item = said.tool
    ? callItem(said, id)
    : { type: "message", id: `m_${id}`, role: "assistant", status: "completed", content: [{ type: "output_text", text: said.text, annotations: [] }] };
  const whole = { id: `resp_${id}`, object: "response", created_at: 1, status: "completed", model: body.model, output: [item], usage };
  if (!streamed) return whole;
  const at = { item_id: item.id, output_index: 0 };
  const between = said.tool
    ? { type: "response.function_call_arguments.done", ...at, arguments: item.arguments }
    : { type: "response.output_text.delta", ...at, content_index: 0, delta: said.text };
  const events = [
    { type: "response.created", response: { ...whole, status: "in_progress", output: [] } },
    { type: "response.output_item.added", output_index: 0, item: { ...item, status: "in_progress" } },
    between,
    { type: "response.output_item.done", output_index: 0, item },
    { type: "response.completed", response: whole },
  ];
  return events.map((event, sequence_number) => [event.type, { ...event, sequence_number }]);
}

function callItem(said, id) {
  const base = { id: `fc_${id}`, call_id: `call_${id}`, status: "completed" };
  if (said.tool === "tool_search") return { ...base, type: "tool_search_call", execution: "client", arguments: said.arguments };
  const [space, name] = said.tool.includes(WITHIN) ? said.tool.split(WITHIN) : [undefined, said.tool];
  return { ...base, type: "function_call", name, ...(space && { namespace: space }), arguments: JSON.stringify(said.arguments) };
}

function readGemini({ tools = [], contents = [] }) {
  const parts = contents.flatMap(({ parts = [] }) => parts);
  const results = parts.filter(({ functionResponse }) => functionResponse).map(({ functionResponse }) => text(functionResponse.response));
  return { tools: tools.flatMap(({ functionDeclarations = [] }) => functionDeclarations.map(({ name }) => name)), results };
}

function writeGemini(said, { streamed }) {
  const part = said.tool ? { functionCall: { name: said.tool, args: said.arguments } } : { text: said.text };
  const answer = {
    candidates: [{ content: { role: "model", parts: [part] }, finishReason: "STOP", index: 0 }],
    usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 1, totalTokenCount: 2 },
    modelVersion: "scripted",
  };
  return streamed ? [[null, answer]] : answer;
}
