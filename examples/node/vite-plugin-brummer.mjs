// A Vite plugin that announces the dev server, for one that serves MCP (at `endpoint`), such as with vite-plugin-mcp.
//
//   export default { plugins: [brummer({ endpoint: "/__mcp/sse" })] };
import { register } from "brummer-hub";

export function brummer(options = {}) {
  let registration;
  return {
    name: "brummer",
    apply: "serve",
    configureServer({ config, httpServer }) {
      httpServer?.once("listening", () => {
        const { port } = httpServer.address();
        try {
          registration = register({ path: config.root, version: "vite", ...options, port });
        } catch (error) {
          config.logger.warn(`no hub will find this server: ${error.message}`);
        }
      });
      httpServer?.once("close", () => registration?.close());
    },
  };
}
