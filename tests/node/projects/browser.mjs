// A browser with one page, which it shows until it is closed. What the page says in its console, the dev server tells.
import { once } from "node:events";
import { existsSync } from "node:fs";
import { endGroup, startGroup } from "../group.mjs";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** The browser there is; `CHROMIUM` names another. */
export const chromium = [process.env.CHROMIUM, ...PLACES].find((path) => path && existsSync(path));

export function open(url, profile, env) {
  // Without a port to be debugged at, it would end when the page is loaded.
  const options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0", `--user-data-dir=${profile}`];
  const child = startGroup([chromium, ...options, url], { env, stdio: "ignore" });
  const ended = once(child, "exit").catch((error) => [error]);
  return {
    async close() {
      endGroup(child, "SIGKILL");
      await ended;
    },
  };
}
