import { defineConfig } from "vite";

// What a server of the project's own does: `/api/price` answers with what `src/api.ts` returns.
export default defineConfig({
  cacheDir: ".vite",
  plugins: [
    {
      name: "api",
      configureServer(server) {
        server.middlewares.use("/api/price", async (_request, response, next) => {
          try {
            const { answer } = await server.ssrLoadModule("/src/api.ts");
            response.end(answer());
          } catch (error) {
            server.ssrFixStacktrace(error as Error);
            next(error);
          }
        });
      },
    },
  ],
});
