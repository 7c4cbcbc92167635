// Runs scenarios for servers of an official conformance suite against one server and prints what each check said:
// `[{"scenario":…,"check":…,"status":…,"message":…}]`.
//
//   node conformance-one.mjs conformance|conformance-modern URL [OPTION…]
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const [suite, url, ...options] = process.argv.slice(2);
const packages = { conformance: "@modelcontextprotocol/conformance", "conformance-modern": "conformance-modern" };
const program = fileURLToPath(new URL(`node_modules/${packages[suite]}/dist/index.js`, import.meta.url));

const output = mkdtempSync(join(tmpdir(), "conformance-"));
const args = [program, "server", "--url", url, "--output-dir", output, ...options];
// Failing scenarios make the exit code 1; the results are what counts.
await new Promise((done) => execFile(process.execPath, args, { maxBuffer: 1 << 28 }, done));
const said = readdirSync(output).flatMap((directory) => {
  const scenario = directory.match(/^server-(.*)-\d{4}-\d\d-\d\dT/)[1];
  const checks = JSON.parse(readFileSync(join(output, directory, "checks.json"), "utf8"));
  return checks.map(({ id, status, errorMessage }) => ({ scenario, check: id, status, message: errorMessage }));
});
rmSync(output, { recursive: true });
process.stdout.write(JSON.stringify(said));
