// The SDK on Node's own server, below a path of its own.
import { createServer } from "node:http";
import { mode, port } from "./contents.mjs";
import { handler } from "./transports.mjs";

const handle = await handler(mode);
createServer(async (request, response) => {
  if (request.url !== "/api/mcp") return response.writeHead(404, { "content-type": "text/html" }).end("<h1>Not here</h1>");
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  await handle(request, response, pieces.length ? JSON.parse(Buffer.concat(pieces).toString("utf8")) : undefined);
}).listen(port, "127.0.0.1");
