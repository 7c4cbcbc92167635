// Installs what package-lock.json says, once: a stamp in node_modules says what is there, a lock directory makes
// several test runs wait for each other.
import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, watch, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const stamp = `${here}node_modules/.stamp`;
const lock = `${here}.installing`;
const wanted = createHash("sha256").update(readFileSync(`${here}package-lock.json`)).digest("hex");
/** An installation that takes longer than this has died. */
const STALE_MS = 10 * 60 * 1000;

const installed = () => {
  try {
    return readFileSync(stamp, "utf8") === wanted;
  } catch {
    return false;
  }
};

const locked = () => {
  try {
    mkdirSync(lock);
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    return false;
  }
};

/** Waits until the other one has finished; what it leaves behind for too long is removed. */
async function released() {
  const watcher = watch(here);
  try {
    const age = Date.now() - Math.floor(statSync(lock).mtimeMs);
    const signal = AbortSignal.timeout(Math.max(0, STALE_MS - age));
    while (existsSync(lock)) await once(watcher, "change", { signal });
  } catch (error) {
    if (error.name === "AbortError") rmSync(lock, { recursive: true, force: true });
    else if (error.code !== "ENOENT") throw error;
  } finally {
    watcher.close();
  }
}

while (!installed()) {
  if (locked()) {
    try {
      if (!installed()) {
        const options = { cwd: here, stdio: ["ignore", 2, 2], shell: process.platform === "win32" };
        execFileSync("npm", ["ci", "--no-audit", "--no-fund"], options);
        writeFileSync(stamp, wanted);
      }
    } finally {
      rmSync(lock, { recursive: true, force: true });
    }
  } else {
    await released();
  }
}
