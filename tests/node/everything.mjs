// `server-everything` on a free port: `node everything.mjs [streamableHttp|sse]`.
import "./announce-port.mjs";

process.argv[2] ??= "streamableHttp";
await import("@modelcontextprotocol/server-everything/dist/index.js");
