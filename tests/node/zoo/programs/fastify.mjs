// A Fastify server that hands the raw request and answer to the SDK.
import Fastify from "fastify";
import { mode, port } from "./contents.mjs";
import { handler } from "./transports.mjs";

const handle = await handler(mode);
const app = Fastify();
app.all("/mcp", (request, reply) => {
  reply.hijack();
  return handle(request.raw, reply.raw, request.body);
});
await app.listen({ port, host: "127.0.0.1" });
