// Installs what package-lock.json says, once: a stamp in node_modules says what is there, a lock directory makes
// several test runs wait for each other.
import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
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
    try {
      if (Date.now() - statSync(lock).mtimeMs > STALE_MS) rmSync(lock, { recursive: true, force: true });
    } catch {
      // The other one has just finished.
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
