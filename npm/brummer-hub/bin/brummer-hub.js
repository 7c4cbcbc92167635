#!/usr/bin/env node
"use strict";
// Starts the native executable with as little of Node as there can be: nothing but the search for it is loaded. Where Node
// can replace itself (22.15 and later, not on Windows), no process stays between the client and the hub.
const fs = require("node:fs");
const { certainlyRuns } = require("../lib/executable.js");
const { candidates, explanation } = require("../lib/platform.js");

function executable() {
  for (const file of candidates("executable")) {
    try {
      fs.accessSync(file, fs.constants.X_OK);
      return file;
    } catch {
      // An archive may have lost the mode of the file.
      try {
        fs.chmodSync(file, 0o755);
        return file;
      } catch {
        // Not there, or not ours.
      }
    }
  }
  return undefined;
}

const file = executable();
const args = process.argv.slice(2);
if (file === undefined) {
  process.stderr.write(`brummer-hub: ${explanation("executable")}\n`);
  process.exitCode = 1;
} else if (typeof process.execve === "function" && process.platform !== "win32" && certainlyRuns(file)) {
  // Node would say that this is experimental, on stderr, where clients look for what is wrong.
  process.removeAllListeners("warning");
  process.execve(file, [file, ...args], process.env);
} else {
  require("../lib/child.js").run(file, args);
}
