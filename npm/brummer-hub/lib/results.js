"use strict";
// What handlers get and return, and what of it goes over the wire.
const { told } = require("./errors.js");

/** What a handler is called with. */
function handlerArguments(request, context) {
  switch (request.kind) {
    case "tool":
    case "prompt":
      return [request.arguments ?? {}, context];
    case "completion":
      return [request.request, context];
    default:
      return [request.uri, { ...context, variables: request.variables ?? {} }];
  }
}

/** What a handler returned, as a result of MCP. */
function result(request, definition, value) {
  switch (request.kind) {
    case "tool":
      return toolResult(value);
    case "prompt":
      return promptResult(value);
    case "completion":
      return Array.from(value ?? [], String);
    default:
      return readResult(request.uri, definition.mimeType, value);
  }
}

function toolResult(value) {
  if (value === undefined || value === null) return { content: [] };
  if (typeof value === "string") return { content: [{ type: "text", text: value }] };
  if (Array.isArray(value?.content)) return value;
  const text = JSON.stringify(value) ?? String(value);
  return { content: [{ type: "text", text }], structuredContent: value };
}

function promptResult(value) {
  if (Array.isArray(value?.messages)) return value;
  if (Array.isArray(value)) return { messages: value };
  return { messages: [{ role: "user", content: { type: "text", text: String(value) } }] };
}

function readResult(uri, mimeType, value) {
  if (Array.isArray(value?.contents)) return value;
  if (value instanceof Uint8Array) {
    const blob = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
    return { contents: [{ uri, mimeType: mimeType ?? "application/octet-stream", blob }] };
  }
  if (typeof value === "string") return { contents: [{ uri, mimeType: mimeType ?? "text/plain", text: value }] };
  const text = JSON.stringify(value) ?? "null";
  return { contents: [{ uri, mimeType: mimeType ?? "application/json", text }] };
}

/** Why there is no answer: for the model to read, or an error of the protocol if it has a number. */
function failure(error) {
  const { code, message, data } = told(error);
  return code === undefined ? { failed: message } : { rpc: { code, message, data } };
}

module.exports = { arguments: handlerArguments, failure, result };
