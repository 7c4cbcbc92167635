// The hub as a client has it over stdio, for the suites with real tools and servers.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import assert from "node:assert/strict";
import { within } from "./api/support.mjs";

/** Starts one, and talks to it. */
export class Hub {
  #waiting = new Map();
  #next = 0;

  /** `name` is what failures call it. */
  constructor(name, args, { env, cwd }) {
    this.name = name;
    this.child = spawn(process.env.BRUMMER_HUB_BINARY, ["--mcp", ...args], { env, cwd, stdio: ["pipe", "pipe", "inherit"] });
    this.ended = new Promise((resolve) => this.child.once("exit", resolve));
    createInterface({ input: this.child.stdout }).on("line", (line) => {
      const message = JSON.parse(line);
      if (message.method !== undefined) return this.hear(message);
      const resolve = this.#waiting.get(message.id);
      assert.ok(resolve, `${name} answers what nobody has asked: ${line.slice(0, 200)}`);
      this.#waiting.delete(message.id);
      resolve(message);
    });
  }

  /** Takes what it says unasked. */
  hear() {}

  send(message) {
    this.child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  }

  /** Its answer, whether that is a result or an error. */
  ask(method, params) {
    const id = (this.#next += 1);
    const answer = new Promise((resolve) => this.#waiting.set(id, resolve));
    this.send({ id, method, params });
    return within(answer, `${method} of ${this.name}`);
  }

  call(name, args) {
    return this.ask("tools/call", { name, arguments: args });
  }

  async open() {
    await this.ask("initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "suite", version: "1" } });
    this.send({ method: "notifications/initialized" });
  }
}
