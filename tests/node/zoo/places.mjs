// What is installed for the zoo: one directory for each set of packages, shared by the servers that need no more.
const STDIO = "@modelcontextprotocol/server-everything";

export const PLACES = {
  "none": {},
  "sdk-1": { npm: ["@modelcontextprotocol/sdk@1", "express", "hono", "@hono/node-server", "@hono/mcp", "fastify", "pm2", "zod"] },
  "sdk-1.10": { npm: ["@modelcontextprotocol/sdk@~1.10.0", "express", "zod@3"] },
  "sdk-1.0": { npm: ["@modelcontextprotocol/sdk@~1.0.0", "express"] },
  "sdk-2": { npm: ["@modelcontextprotocol/server", "@modelcontextprotocol/node", "zod"] },
  "everything": { npm: [STDIO] },
  "python-1": { pip: ["mcp<2"] },
  "python-2": { pip: ["mcp>=2"] },
  "fastmcp-2": { pip: ["fastmcp<3"] },
  "fastmcp-3": { pip: ["fastmcp<4"] },
  "fastmcp-4": { pip: ["fastmcp>=4"] },
  "hand": { pip: ["aiohttp", "flask"] },
  "playwright": { npm: ["@playwright/mcp"] },
  "context7": { npm: ["@upstash/context7-mcp"] },
  "supergateway": { npm: ["supergateway", STDIO] },
  "mcp-proxy": { npm: ["mcp-proxy", STDIO] },
  "mcp-proxy-python": { pip: ["mcp-proxy"] },
  "fastmcp-node": { npm: ["fastmcp", "zod"] },
  "vite": { npm: ["vite-plugin-mcp", "vite"] },
  "storybook": { npm: ["storybook", "@storybook/addon-mcp", "@storybook/html-vite", "vite"] },
  "next": { npm: ["next@16", "react", "react-dom"] },
  "nuxt": { npm: ["nuxt-mcp", "nuxt", "vite"] },
};
