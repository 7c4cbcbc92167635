// Puts what was built for a platform into its package, and checks what npm would publish.
//
//   node npm/stage.mjs ARTIFACTS     for each platform ARTIFACTS/<platform>/{brummer-hub.node,brummer-hub[.exe]}
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));

/** The executable's name on a platform. */
export const executableOf = (platform) => `brummer-hub${platform.startsWith("win32") ? ".exe" : ""}`;

/** Copies the addon and the executable into a platform's package, or into a copy of it. */
export function stage(platform, { addon, executable }, folder = path.join(here, "platforms", platform)) {
  const template = path.join(here, "platforms", platform);
  if (folder !== template) cpSync(template, folder, { recursive: true });
  const binary = path.join(folder, "bin", executableOf(platform));
  mkdirSync(path.dirname(binary), { recursive: true });
  copyFileSync(addon, path.join(folder, "brummer-hub.node"));
  copyFileSync(executable, binary);
  for (const file of ["LICENSE", "THIRD_PARTY.md"]) copyFileSync(path.join(here, "..", file), path.join(folder, file));
  // Archives of build servers forget it.
  chmodSync(binary, 0o755);
  return folder;
}

/** What npm would put into the package, by path. */
export function packed(folder) {
  const args = ["pack", "--dry-run", "--json"];
  const output = execFileSync("npm", args, { cwd: folder, encoding: "utf8", shell: process.platform === "win32" });
  const parsed = JSON.parse(output);
  // Newer versions of npm answer with an object by name.
  const [{ files }] = Array.isArray(parsed) ? parsed : Object.values(parsed);
  return files.map((file) => file.path).sort();
}

/** Throws unless exactly these files would be published. */
export function checkPacked(folder, wanted) {
  const found = packed(folder);
  const sorted = [...wanted].sort();
  if (found.join() !== sorted.join()) throw new Error(`${folder} would publish ${found}, but should ${sorted}`);
}

export const filesOf = (platform) => [
  "LICENSE",
  "README.md",
  "THIRD_PARTY.md",
  "brummer-hub.node",
  `bin/${executableOf(platform)}`,
  "package.json",
];

export function filesOfMain() {
  const lib = readdirSync(path.join(here, "brummer-hub/lib")).map((file) => `lib/${file}`);
  const { files } = JSON.parse(readFileSync(path.join(here, "brummer-hub/package.json"), "utf8"));
  const single = files.filter((file) => file.includes("."));
  return ["LICENSE", "README.md", "package.json", "bin/brummer-hub.js", ...single, ...lib];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const artifacts = path.resolve(process.argv[2] ?? "artifacts");
  for (const platform of readdirSync(path.join(here, "platforms"))) {
    const folder = path.join(artifacts, platform);
    const parts = { addon: path.join(folder, "brummer-hub.node"), executable: path.join(folder, executableOf(platform)) };
    checkPacked(stage(platform, parts), filesOf(platform));
  }
  checkPacked(path.join(here, "brummer-hub"), filesOfMain());
}
