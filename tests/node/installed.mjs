// Something real from npm or PyPI, in a directory of its own: what `cargo xtask agents` and `cargo xtask zoo` run.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { endGroup, startGroup } from "./group.mjs";

/** What an installation, or a command that prepares something, may take. */
const INSTALL_MS = 600_000;
/** What is kept of an output. */
const OUTPUT_BYTES = 1024 * 1024;
/** How long something may take to end once it is asked to. */
const END_MS = 3_000;
/** How long something may go on when all is done that it was started for. */
const LINGER_MS = 10_000;

export class Installed {
  #packages;

  /** `npm` and `pip` are packages as their registries name them, with a version where it matters. */
  constructor(directory, { npm = [], pip = [] }) {
    this.directory = directory;
    this.#packages = { npm, pip };
  }

  /** Installs what is not there, or what has become newer. Returns why it cannot. */
  prepare(update = false) {
    const stamp = `${this.directory}/.installed`;
    const wanted = JSON.stringify(this.#packages);
    if (!update && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return undefined;
    rmSync(this.directory, { recursive: true, force: true });
    mkdirSync(this.directory, { recursive: true });
    const { npm, pip } = this.#packages;
    const steps = [];
    if (npm.length) {
      // A package of its own, so that npm does not look for one above.
      writeFileSync(`${this.directory}/package.json`, JSON.stringify({ private: true }));
      steps.push(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", ...npm]);
    }
    if (pip.length) {
      steps.push(["python3", "-m", "venv", "venv"]);
      steps.push(["venv/bin/pip", "install", "--quiet", "--disable-pip-version-check", ...pip]);
    }
    for (const step of steps) {
      // npm takes versions that its own Node can run; the newest ones want a new one.
      const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
      const { status, output } = this.run(step, { cwd: this.directory, env });
      if (status !== 0) return output.trim().split("\n").at(-1);
    }
    writeFileSync(stamp, wanted);
    return undefined;
  }

  /** The environment of a user whose home is this one, without anything of the machine's own. */
  env(home) {
    const own = [`${this.directory}/node_modules/.bin`, `${this.directory}/venv/bin`];
    const path = [...own, dirname(process.execPath), process.env.PATH].join(":");
    return { HOME: home, PATH: path, PACKAGES: this.directory, PYTHONDONTWRITEBYTECODE: "1", LANG: "C.UTF-8", TERM: "dumb", USER: process.env.USER ?? "user", SHELL: "/bin/sh" };
  }

  /** Runs a command to its end. */
  run([program, ...rest], { cwd, env }) {
    const { status, stdout, stderr, error } = spawnSync(program, rest, { cwd, env, encoding: "utf8", timeout: INSTALL_MS, stdio: ["ignore", "pipe", "pipe"] });
    return { status: error ? 1 : status, output: error ? error.message : `${stdout}${stderr}` };
  }

  /**
   * Runs a command to its end, and returns what it printed. It is ended when patience is at its end, and some time after
   * `done` if it has not by itself.
   */
  async watch(command, { cwd, env, patience, done }) {
    const child = startGroup(command, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const take = (data) => (output = (output + data).slice(-OUTPUT_BYTES));
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    const end = () => (endGroup(child, "SIGTERM"), timers.push(setTimeout(endGroup, END_MS, child, "SIGKILL")));
    const timers = [setTimeout(() => ((output += "\nit took too long"), end()), patience)];
    done?.then(() => timers.push(setTimeout(end, LINGER_MS)));
    await new Promise((resolve) => child.on("close", resolve).on("error", (error) => resolve((output += error.message))));
    for (const timer of timers) clearTimeout(timer);
    endGroup(child, "SIGKILL");
    return output;
  }

  /** The version of a package that is there; without a name, of the first one. */
  version(name = [...this.#packages.npm, ...this.#packages.pip][0].replace(/(?<=.)[@[<>=~!].*$/, "")) {
    if (this.#packages.npm.length) return JSON.parse(readFileSync(`${this.directory}/node_modules/${name}/package.json`, "utf8")).version;
    const program = "import sys, importlib.metadata as it; print(it.version(sys.argv[1]))";
    return this.run(["venv/bin/python", "-c", program, name], { cwd: this.directory, env: process.env }).output.trim();
  }
}
