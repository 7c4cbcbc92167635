// A small process manager: it runs commands, and a model can look at them, restart and stop them.
//
//   npm install brummer-hub && node process-manager.mjs web="npx vite" api="node --watch api.js"
import { spawn } from "node:child_process";
import { once } from "node:events";
import { serveInstance } from "brummer-hub";

/** Lines that are kept of each process. */
const LINES = 1000;

const processes = new Map();

function start(name, command) {
  const child = spawn(command, { shell: true, stdio: ["ignore", "pipe", "pipe"] });
  const state = { name, command, child, log: processes.get(name)?.log ?? [] };
  processes.set(name, state);
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      state.log.push(...text.split("\n").filter(Boolean));
      state.log.splice(0, state.log.length - LINES);
      server?.resourceUpdated(`log://${name}`);
    });
  }
  child.on("exit", (code, signal) => (state.ended = signal ?? code));
}

function find(name) {
  const found = processes.get(name);
  if (!found) throw new Error(`there is no process ${name}; there are ${[...processes.keys()].join(", ")}`);
  return found;
}

async function stop({ child, ended }) {
  if (ended !== undefined) return;
  const exited = once(child, "exit");
  child.kill();
  await exited;
}

const named = { type: "object", properties: { name: { type: "string" } }, required: ["name"] };

let server;
for (const argument of process.argv.slice(2)) {
  const [name, ...command] = argument.split("=");
  start(name, command.join("="));
}
server = await serveInstance({
  name: "process-manager",
  instructions: "Runs the processes of this project. Their output is in the resources log://<name>.",
  tools: {
    processes: {
      description: "Lists the processes",
      handler: () => ({
        processes: [...processes.values()].map(({ name, command, child, ended }) => ({
          name,
          command,
          pid: child.pid,
          running: ended === undefined,
        })),
      }),
    },
    restart: {
      description: "Restarts a process",
      inputSchema: named,
      handler: async ({ name }, { progress }) => {
        const found = find(name);
        progress(0, 2, "stopping");
        await stop(found);
        progress(1, 2, "starting");
        start(name, found.command);
        return `${name} runs again.`;
      },
    },
    stop: {
      description: "Stops a process",
      inputSchema: named,
      handler: async ({ name }) => {
        await stop(find(name));
        return `${name} is stopped.`;
      },
    },
  },
  resourceTemplates: {
    "log://{name}": { mimeType: "text/plain", handler: (_uri, { variables }) => find(variables.name).log.join("\n") },
  },
});
server.ref();
console.log(server.url);

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, async () => {
    await Promise.all([server.close(), ...[...processes.values()].map(stop)]);
    process.exit(0);
  });
}
