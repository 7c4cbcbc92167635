// Runs the official conformance scenarios for servers against two servers and prints, for each scenario, what each of its
// checks said: `{"scenario":{"direct":{"check":"SUCCESS"},"hub":{…}}}`.
//
//   node conformance.mjs SUITE DIRECT_URL HUB_URL
//
// SUITE is `0.1`, all scenarios of the released suite, or a revision: what the next suite asks of that revision.
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const [suite, direct, hub] = process.argv.slice(2);
const [program, scenarios] =
  suite === "0.1"
    ? ["@modelcontextprotocol/conformance", ["--suite", "all"]]
    : ["conformance-modern", ["--requirements", suite]];
const main = fileURLToPath(new URL(`node_modules/${program}/dist/index.js`, import.meta.url));

/** What every check of every scenario said; a check that is made several times says so in its name. */
async function run(url) {
  const output = mkdtempSync(join(tmpdir(), "conformance-"));
  const args = [main, "server", "--url", url, ...scenarios, "--output-dir", output];
  // Failing scenarios make the exit code 1; the results are what counts.
  await new Promise((done) => execFile(process.execPath, args, { maxBuffer: 1 << 28 }, done));
  const said = {};
  for (const directory of readdirSync(output, { withFileTypes: true })) {
    const name = directory.name.match(/^server-(.*)-\d{4}-\d\d-\d\dT/)?.[1];
    if (!name) continue;
    const checks = JSON.parse(readFileSync(join(output, directory.name, "checks.json"), "utf8"));
    said[name] = {};
    for (const { id, status, errorMessage } of checks) {
      if (status === "INFO") continue;
      let unique = id;
      for (let again = 2; unique in said[name]; again += 1) unique = `${id} (${again})`;
      said[name][unique] = errorMessage ? `${status}: ${errorMessage}` : status;
    }
  }
  rmSync(output, { recursive: true });
  return said;
}

const [directly, through] = [await run(direct), await run(hub)];
const names = [...new Set([...Object.keys(directly), ...Object.keys(through)])].sort();
const report = Object.fromEntries(names.map((name) => [name, { direct: directly[name], hub: through[name] }]));
process.stdout.write(JSON.stringify(report));
