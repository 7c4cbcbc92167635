// Stands where the hub's executable is expected, and writes down what goes through it:
// `node tap.mjs EXECUTABLE RECORD ARGUMENT…`. A line of the record is {at, from: "client" | "hub", line};
// the first one has the arguments.
import { appendFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { performance } from "node:perf_hooks";

const [executable, record, ...rest] = process.argv.slice(2);
const file = `${record}.${process.pid}`;
const hub = spawn(executable, rest, { stdio: ["pipe", "pipe", "inherit"] });

/** Calls `line` with each whole line of a stream, as it comes. */
function lines(stream, line) {
  let begun = "";
  stream.setEncoding("utf8").on("data", (data) => {
    const parts = (begun + data).split("\n");
    begun = parts.pop();
    for (const part of parts) line(part);
  });
}

const note = (from) => (line) =>
  appendFileSync(file, `${JSON.stringify({ at: performance.timeOrigin + performance.now(), from, line })}\n`);
note("start")(rest);
lines(process.stdin, note("client"));
lines(hub.stdout, note("hub"));
process.stdin.pipe(hub.stdin);
hub.stdout.pipe(process.stdout);
hub.stdin.on("error", () => {});
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => hub.kill(signal));
hub.on("exit", (code) => process.exit(code ?? 1));
