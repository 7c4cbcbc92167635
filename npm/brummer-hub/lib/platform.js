"use strict";
// Where the native parts are: in the package of this platform, in a local build, or where the user says.
const fs = require("node:fs");
const path = require("node:path");

/** Loaders of the C library that only glibc has. */
const GLIBC = { x64: "/lib64/ld-linux-x86-64.so.2", arm64: "/lib/ld-linux-aarch64.so.1" };

/** Platforms that packages are made for. */
const PLATFORMS = [
  "darwin-arm64",
  "darwin-x64",
  "linux-arm64-gnu",
  "linux-arm64-musl",
  "linux-x64-gnu",
  "linux-x64-musl",
  "win32-arm64",
  "win32-x64",
];

/** What there is to find, and what overrides it. */
const PARTS = {
  addon: { variable: "BRUMMER_HUB_ADDON", inPackage: () => "brummer-hub.node", built: builtAddon },
  executable: {
    variable: "BRUMMER_HUB_BINARY",
    inPackage: () => `bin/brummer-hub${suffix()}`,
    built: () => `brummer-hub${suffix()}`,
  },
};

function suffix() {
  return process.platform === "win32" ? ".exe" : "";
}

function builtAddon() {
  if (process.platform === "win32") return "brummer_hub_node.dll";
  return process.platform === "darwin" ? "libbrummer_hub_node.dylib" : "libbrummer_hub_node.so";
}

/** Packages that may serve here, the likelier first. Both are tried: a package manager may have installed either. */
function packages() {
  const base = `${process.platform}-${process.arch}`;
  if (process.platform !== "linux") return [`@brummer-hub/${base}`];
  const glibc = fs.existsSync(GLIBC[process.arch] ?? "/nowhere");
  const kinds = glibc ? ["gnu", "musl"] : ["musl", "gnu"];
  return kinds.map((kind) => `@brummer-hub/${base}-${kind}`);
}

/** Files of a part, the best first. Empty: it is not here. */
function candidates(part) {
  const { variable, inPackage, built } = PARTS[part];
  const chosen = process.env[variable];
  if (chosen) return [path.resolve(chosen)];
  const found = [];
  for (const name of packages()) {
    try {
      found.push(require.resolve(`${name}/${inPackage()}`));
    } catch {
      // Not installed: that is what the other candidates are for.
    }
  }
  return found.length > 0 ? found : localBuilds(built());
}

/** What `cargo build` made in the repository that this file is part of, the latest first. */
function localBuilds(name) {
  const repository = path.resolve(__dirname, "..", "..", "..");
  if (!fs.existsSync(path.join(repository, "bindings", "node", "Cargo.toml"))) return [];
  const target = process.env.CARGO_TARGET_DIR ?? path.join(repository, "target");
  return ["release", "debug"]
    .map((profile) => path.join(target, profile, name))
    .filter((file) => fs.existsSync(file))
    .sort((one, other) => fs.statSync(other).mtimeMs - fs.statSync(one).mtimeMs);
}

/** What to do when a part is not there. */
function explanation(part) {
  const { variable } = PARTS[part];
  if (process.env[variable]) return `${variable} names ${process.env[variable]}, which is not there or cannot be used.`;
  const here = `${process.platform}-${process.arch}`;
  if (!PLATFORMS.some((platform) => platform.startsWith(here))) {
    return (
      `brummer-hub has no prebuilt package for ${here}. Build it from source (https://github.com/standardbeagle/brummer-hub) ` +
      `and set ${variable} to the file.`
    );
  }
  const wanted = packages().join(" or ");
  return (
    `the ${part} of brummer-hub for this platform is missing: ${wanted} is not installed. It is an optional dependency ` +
    "of brummer-hub; install again without `--omit=optional` or `--no-optional`, on this platform (a node_modules copied " +
    "from another one does not do), and remove the lock file if it was written on another platform " +
    `(https://github.com/npm/cli/issues/4828). Or set ${variable} to the file.`
  );
}

module.exports = { PLATFORMS, candidates, explanation, packages };
