// The servers, as data: `place` is where their packages are (places.mjs), `package` the one whose version is told,
// `command` how it is started on a port, `calls` what is called besides the lists. `files` are written into its project,
// `host` is what it wants to be called.

const python = (name, ...rest) => (port) => ["python", `programs/${name}.py`, `${port}`, ...rest];
const node = (name, ...rest) => (port) => ["node", `programs/${name}.mjs`, `${port}`, ...rest];
const ADD = { tool: "add", arguments: { a: 2, b: 3 } };
const FAIL = { tool: "fail", arguments: {} };
const ECHO = { tool: "echo", arguments: { message: "hi" } };
const SUM = { tool: "get-sum", arguments: { a: 2, b: 3 } };
const STDIO = "node node_modules/@modelcontextprotocol/server-everything/dist/index.js stdio";
const SDK = "@modelcontextprotocol/sdk";

export const SERVERS = [
  // The official SDKs, of every generation.
  { title: "TypeScript SDK 1.0, one client over SSE", place: "sdk-1.0", package: SDK, command: node("sse-first"), endpoint: "/sse", calls: [ADD] },
  { title: "TypeScript SDK 1.10, one transport, Express", place: "sdk-1.10", package: SDK, command: node("express", "one"), calls: [ADD, FAIL] },
  { title: "TypeScript SDK 1.10, one transport without sessions, Express", place: "sdk-1.10", package: SDK, command: node("express", "one without sessions"), calls: [ADD, FAIL] },
  { title: "TypeScript SDK 1, sessions, Express", place: "sdk-1", package: SDK, command: node("express", "sessions"), calls: [ADD, FAIL] },
  { title: "TypeScript SDK 1, stateless, Express", place: "sdk-1", package: SDK, command: node("express", "stateless"), calls: [ADD, FAIL] },
  { title: "TypeScript SDK 1, one transport, Express", place: "sdk-1", package: SDK, command: node("express", "one"), calls: [ADD, FAIL] },
  { title: "TypeScript SDK 1, SSE, Express", place: "sdk-1", package: SDK, command: node("sse"), endpoint: "/sse", calls: [ADD, FAIL] },
  { title: "TypeScript SDK 1, sessions, `node:http`, `/api/mcp`", place: "sdk-1", package: SDK, command: node("node-http", "sessions"), endpoint: "/api/mcp", calls: [ADD, FAIL] },
  { title: "TypeScript SDK 1, stateless, Fastify", place: "sdk-1", package: "fastify", command: node("fastify", "stateless"), calls: [ADD, FAIL] },
  { title: "`@hono/mcp`, one transport", place: "sdk-1", package: "@hono/mcp", command: node("hono"), calls: [ADD, FAIL] },
  { title: "TypeScript SDK 1, stateless, cluster of two workers", place: "sdk-1", package: SDK, command: node("cluster"), calls: [ADD, FAIL] },
  {
    title: "TypeScript SDK 1, sessions, Express under pm2",
    place: "sdk-1",
    package: "pm2",
    command: (port) => ["pm2", "start", "programs/express.mjs", "--no-daemon", "--name", "zoo", "--", `${port}`, "sessions"],
    pidFile: true,
    calls: [ADD, FAIL],
  },
  { title: "TypeScript SDK 2, both eras", place: "sdk-2", package: "@modelcontextprotocol/server", command: node("sdk-2"), calls: [ADD] },
  {
    title: "`server-everything`, Streamable HTTP",
    place: "everything",
    package: "@modelcontextprotocol/server-everything",
    command: () => ["mcp-server-everything", "streamableHttp"],
    env: (port) => ({ PORT: `${port}` }),
    calls: [ECHO, SUM],
  },
  {
    title: "`server-everything`, SSE",
    place: "everything",
    package: "@modelcontextprotocol/server-everything",
    command: () => ["mcp-server-everything", "sse"],
    env: (port) => ({ PORT: `${port}` }),
    endpoint: "/sse",
    calls: [ECHO, SUM],
  },
  ...["sessions", "stateless"].map((mode) => ({ title: `Python SDK 1, ${mode}`, place: "python-1", package: "mcp", command: python("python_1", mode), calls: [ADD, FAIL] })),
  { title: "Python SDK 1, SSE", place: "python-1", package: "mcp", command: python("python_1", "sse"), endpoint: "/sse", calls: [ADD, FAIL] },
  { title: "Python SDK 1, mounted in Starlette", place: "python-1", package: "mcp", command: python("python_1", "mount"), calls: [ADD, FAIL] },
  ...["sessions", "stateless"].map((mode) => ({ title: `Python SDK 2, ${mode}`, place: "python-2", package: "mcp", command: python("python_2", mode), calls: [ADD] })),
  ...["2", "3", "4"].map((generation) => ({
    title: `FastMCP ${generation}`,
    place: `fastmcp-${generation}`,
    package: "fastmcp",
    command: python("fastmcp_server", "http"),
    calls: [ADD, FAIL],
  })),
  { title: "FastMCP 4, stateless", place: "fastmcp-4", package: "fastmcp", command: python("fastmcp_server", "stateless"), calls: [ADD, FAIL] },
  { title: "FastMCP for TypeScript", place: "fastmcp-node", package: "fastmcp", command: node("fastmcp-node"), calls: [ADD] },
  { title: "FastMCP for TypeScript, stateless", place: "fastmcp-node", package: "fastmcp", command: node("fastmcp-node", "stateless"), calls: [ADD] },
  // By hand.
  { title: "aiohttp, by hand", place: "hand", package: "aiohttp", command: python("hand_aiohttp"), calls: [ADD] },
  { title: "Flask, by hand", place: "hand", package: "flask", command: python("hand_flask"), calls: [ADD] },
  { title: "`http.server`, by hand", place: "hand", command: python("hand_http"), calls: [ADD] },
  // Bridges from stdio.
  ...[
    ["Streamable HTTP, sessions", ["--outputTransport", "streamableHttp", "--stateful"], "/mcp"],
    ["Streamable HTTP, stateless", ["--outputTransport", "streamableHttp"], "/mcp"],
    ["SSE", ["--outputTransport", "sse"], "/sse"],
  ].map(([what, options, endpoint]) => ({
    title: `supergateway, ${what}`,
    place: "supergateway",
    package: "supergateway",
    command: (port) => ["supergateway", "--stdio", STDIO, ...options, "--port", `${port}`],
    endpoint,
    calls: [ECHO, SUM],
  })),
  ...[
    ["Streamable HTTP", "stream", "/mcp"],
    ["SSE", "sse", "/sse"],
  ].map(([what, kind, endpoint]) => ({
    title: `mcp-proxy for Node, ${what}`,
    place: "mcp-proxy",
    package: "mcp-proxy",
    command: (port) => ["mcp-proxy", "--port", `${port}`, "--host", "127.0.0.1", "--server", kind, "--", ...STDIO.split(" ")],
    endpoint,
    calls: [ECHO, SUM],
  })),
  ...[
    ["Streamable HTTP", "/mcp/", []],
    ["stateless", "/mcp/", ["--stateless"]],
    ["SSE", "/sse", []],
  ].map(([what, endpoint, options]) => ({
    title: `mcp-proxy for Python, ${what}`,
    place: "mcp-proxy-python",
    package: "mcp-proxy",
    command: (port) => ["mcp-proxy", "--port", `${port}`, ...options, "--", "python", "programs/stdio_server.py"],
    endpoint,
    calls: [ADD],
  })),
  // What people have in their projects.
  {
    title: "`@playwright/mcp`",
    place: "playwright",
    package: "@playwright/mcp",
    command: (port) => ["playwright-mcp", "--port", `${port}`, "--host", "127.0.0.1", "--headless"],
    host: "localhost",
    calls: [],
  },
  {
    title: "context7",
    place: "context7",
    package: "@upstash/context7-mcp",
    command: (port) => ["context7-mcp", "--transport", "http", "--port", `${port}`],
    calls: [],
  },
  {
    title: "`vite-plugin-mcp`",
    place: "vite",
    package: "vite-plugin-mcp",
    files: {
      "index.html": "<!doctype html><title>zoo</title>",
      "vite.config.mjs": 'import { ViteMcp } from "vite-plugin-mcp";\nexport default { plugins: [ViteMcp({ updateConfig: false })], optimizeDeps: { noDiscovery: true } };\n',
    },
    command: (port) => ["vite", "--host", "127.0.0.1", "--strictPort", "--port", `${port}`],
    endpoint: "/__mcp/sse",
    calls: [{ tool: "get-vite-root", arguments: {} }],
  },
  {
    title: "Storybook, `@storybook/addon-mcp`",
    place: "storybook",
    package: "storybook",
    files: {
      ".storybook/main.js": 'export default { stories: ["../zoo.stories.js"], addons: ["@storybook/addon-mcp"], framework: "@storybook/html-vite", core: { disableTelemetry: true } };\n',
      "zoo.stories.js": 'export default { title: "Zoo" };\nexport const One = { render: () => "one" };\n',
    },
    command: (port) => ["storybook", "dev", "--ci", "--no-open", "--host", "127.0.0.1", "--exact-port", "--port", `${port}`],
    calls: [],
  },
  {
    title: "Next.js 16",
    place: "next",
    package: "next",
    files: {
      "app/layout.jsx": "export default ({ children }) => <html><body>{children}</body></html>;\n",
      "app/page.jsx": "export default () => <p>zoo</p>;\n",
    },
    env: () => ({ NEXT_TELEMETRY_DISABLED: "1" }),
    command: (port) => ["next", "dev", "--hostname", "127.0.0.1", "--port", `${port}`],
    endpoint: "/_next/mcp",
    calls: [{ tool: "get_routes", arguments: {} }],
  },
  {
    title: "`nuxt-mcp`",
    place: "nuxt",
    package: "nuxt-mcp",
    files: {
      "nuxt.config.ts": 'export default defineNuxtConfig({ modules: ["nuxt-mcp"], telemetry: false, mcp: { updateConfig: false } });\n',
      "app/app.vue": "<template><p>zoo</p></template>\n",
    },
    env: () => ({ NUXT_TELEMETRY_DISABLED: "1" }),
    command: (port) => ["nuxt", "dev", "--host", "127.0.0.1", "--port", `${port}`, "--no-fork"],
    endpoint: "/__mcp/sse",
    calls: [],
  },
];
