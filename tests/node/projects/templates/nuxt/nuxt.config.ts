import { viteConsole } from "brummer-hub/browser";

export default defineNuxtConfig({
  compatibilityDate: "2026-11-01",
  devtools: { enabled: false },
  telemetry: false,
  vite: { plugins: [viteConsole()] },
});
