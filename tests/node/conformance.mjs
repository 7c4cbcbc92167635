// Runs the official conformance scenarios for servers against two servers and prints, for each scenario, what each of its
// checks said: `{"scenario":{"direct":{"check":"SUCCESS"},"hub":{…}}}`.
//
//   node conformance.mjs DIRECT_URL HUB_URL
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const suite = fileURLToPath(new URL("node_modules/@modelcontextprotocol/conformance/dist/index.js", import.meta.url));
const [direct, hub] = process.argv.slice(2);

/** What every check of every scenario said. */
async function run(url) {
  const output = mkdtempSync(join(tmpdir(), "conformance-"));
  const args = [suite, "server", "--url", url, "--suite", "all", "--output-dir", output];
  // Failing scenarios make the exit code 1; the results are what counts.
  await new Promise((done) => execFile(process.execPath, args, { maxBuffer: 1 << 28 }, done));
  const scenarios = {};
  for (const directory of readdirSync(output, { withFileTypes: true })) {
    const name = directory.name.match(/^server-(.*)-\d{4}-\d\d-\d\dT/)?.[1];
    if (!name) continue;
    const checks = JSON.parse(readFileSync(join(output, directory.name, "checks.json"), "utf8"));
    const said = checks.filter(({ status }) => status !== "INFO");
    scenarios[name] = Object.fromEntries(
      said.map(({ id, status, errorMessage }) => [id, errorMessage ? `${status}: ${errorMessage}` : status]),
    );
  }
  rmSync(output, { recursive: true });
  return scenarios;
}

const [directly, through] = [await run(direct), await run(hub)];
const names = [...new Set([...Object.keys(directly), ...Object.keys(through)])].sort();
const report = Object.fromEntries(names.map((name) => [name, { direct: directly[name], hub: through[name] }]));
process.stdout.write(JSON.stringify(report));
