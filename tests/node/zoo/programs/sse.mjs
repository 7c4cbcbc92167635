// The transport of 2024-11-05 on Express, as the SDK's first examples had it.
import express from "express";
import { SSEServerTransport } from "@modelcontextprotocol/sdk/server/sse.js";
import { port, server } from "./contents.mjs";

const app = express();
const open = new Map();
app.get("/sse", async (request, response) => {
  const transport = new SSEServerTransport("/messages", response);
  open.set(transport.sessionId, transport);
  response.on("close", () => open.delete(transport.sessionId));
  await server().connect(transport);
});
app.post("/messages", (request, response) => {
  const transport = open.get(request.query.sessionId);
  return transport ? transport.handlePostMessage(request, response) : response.status(400).send("No transport found for sessionId");
});
app.listen(port, "127.0.0.1");
