// A Hono server with its own transport.
import { StreamableHTTPTransport } from "@hono/mcp";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { port, server } from "./contents.mjs";

const app = new Hono();
const it = server();
const transport = new StreamableHTTPTransport();
app.all("/mcp", async (context) => {
  if (!it.isConnected()) await it.connect(transport);
  return transport.handleRequest(context);
});
serve({ fetch: app.fetch, port, hostname: "127.0.0.1" });
