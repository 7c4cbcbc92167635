// An instance for the agents: `node instance.mjs NAME LIFE`. It listens on a free port, and says on stdout what a runner
// waits for, one JSON object a line: {"port":…}, {"method":…, "tool":…} for each request.
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { z } from "zod";

const [name, life] = process.argv.slice(2);
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const only = (text) => ({ content: [{ type: "text", text }] });

function server() {
  const it = new McpServer({ name, version: "1.0.0" });
  it.registerTool("greet", { description: `Greets somebody from the ${name}.`, inputSchema: { who: z.string() } }, ({ who }) =>
    only(`Hello, ${who}. This is the ${name}, life ${life}.`),
  );
  const stock = {
    description: "How many of something there are.",
    inputSchema: { item: z.string() },
    outputSchema: { item: z.string(), count: z.number().int() },
  };
  // The text says it in other words, so that it shows which of the two a model was given.
  it.registerTool("stock", stock, ({ item }) => ({ ...only(`a dozen of ${item}`), structuredContent: { item, count: 12 } }));
  it.registerTool("poem", { description: "Says a poem." }, () => only("Rosen sind rot,\n\tVeilchen sind blau – “ok” ✓"));
  it.registerTool("wait", { description: "Waits for ever." }, () => new Promise(() => {}));
  return it;
}

const sessions = new Map();
const http = createServer(async (request, response) => {
  let transport = sessions.get(request.headers["mcp-session-id"]);
  let body;
  if (request.method === "POST") {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    body = JSON.parse(Buffer.concat(pieces).toString("utf8"));
    if (!transport && body.method === "initialize") {
      transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (id) => sessions.set(id, transport),
        onsessionclosed: (id) => sessions.delete(id),
      });
      await server().connect(transport);
    }
  }
  if (!transport) return response.writeHead(request.headers["mcp-session-id"] ? 404 : 400).end();
  if (body?.method) say({ method: body.method, tool: body.params?.name });
  await transport.handleRequest(request, response, body);
});
http.listen(0, "127.0.0.1", () => say({ port: http.address().port }));
