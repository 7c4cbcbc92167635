// Runs the official conformance scenarios for clients, with the hub as the client, and prints what each check said:
// `{"REVISION SCENARIO, ERA client":{"check":"SUCCESS"}}`.
//
//   node conformance-clients.mjs DATA_DIRECTORY HUB [ARGUMENT…]
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const [data, ...hub] = process.argv.slice(2);
const main = fileURLToPath(new URL("node_modules/conformance-modern/dist/index.js", import.meta.url));
const client = fileURLToPath(new URL("conformance-client.mjs", import.meta.url));

/** What the suite asks of clients, but for those about authorization: instances are on the same machine. */
const SCENARIOS = {
  "2025-11-25": ["initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry", "json-schema-2020-12-preservation"],
  "2026-07-28": [
    "tools_call",
    "request-metadata",
    "sep-2322-client-request-state",
    "http-standard-headers",
    "http-custom-headers",
    "http-invalid-tool-headers",
    "json-schema-ref-no-deref",
    "json-schema-2020-12-preservation",
  ],
};
/** How many run at a time; one waits on purpose. */
const AT_ONCE = 3;

async function run(revision, scenario, era) {
  const output = mkdtempSync(join(tmpdir(), "conformance-"));
  const args = [main, "client", "--command", `"${process.execPath}" --no-warnings "${client}"`, "--scenario", scenario];
  const env = { ...process.env, HUB_COMMAND: JSON.stringify(hub), HUB_DATA: data, HUB_ERA: era, HUB_OWNER: String(process.pid) };
  const options = { env, maxBuffer: 1 << 28 };
  const said = await new Promise((done) =>
    execFile(process.execPath, [...args, "--spec-version", revision, "--output-dir", output, "--verbose"], options, (_, stdout, stderr) => done(stdout + stderr)),
  );
  const checks = {};
  for (const directory of readdirSync(output, { recursive: true })) {
    if (!directory.endsWith("checks.json")) continue;
    for (const { id, status, errorMessage } of JSON.parse(readFileSync(join(output, directory), "utf8"))) {
      if (status === "INFO") continue;
      let unique = id;
      for (let again = 2; unique in checks; again += 1) unique = `${id} (${again})`;
      checks[unique] = errorMessage ? `${status}: ${errorMessage}` : status;
    }
  }
  rmSync(output, { recursive: true });
  // Without any check, what the program said is all there is to go by.
  return Object.keys(checks).length > 0 ? checks : { nothing: `FAILURE: ${said.slice(-2000)}` };
}

const waiting = Object.entries(SCENARIOS).flatMap(([revision, scenarios]) =>
  scenarios.flatMap((scenario) => ["legacy", "modern"].map((era) => [revision, scenario, era])),
);
const report = {};
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [revision, scenario, era] = next;
      report[`${revision} ${scenario}, ${era} client`] = await run(revision, scenario, era);
    }
  }),
);
process.stdout.write(JSON.stringify(report));
