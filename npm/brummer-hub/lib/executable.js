"use strict";
// Whether this system can run a file. A Node that cannot replace itself by a file aborts, so that is found out before.
const fs = require("node:fs");

/** Room for the headers of an executable, or the first line of a script. */
const HEADER = 4096;

/** `e_machine` of ELF files. */
const MACHINES = { ia32: 3, ppc64: 21, s390x: 22, arm: 40, x64: 62, arm64: 183, riscv64: 243, loong64: 258 };

/** `cputype` of Mach-O files. */
const CPUS = { x64: 0x01000007, arm64: 0x0100000c };

function header(file) {
  const bytes = Buffer.alloc(HEADER);
  const opened = fs.openSync(file, "r");
  try {
    return bytes.subarray(0, fs.readSync(opened, bytes, 0, HEADER, 0));
  } finally {
    fs.closeSync(opened);
  }
}

/** The program that a script names in its first line has to be there. */
function script(bytes) {
  const [interpreter] = bytes.toString("latin1", 2).split("\n", 1)[0].trim().split(/\s/, 1);
  fs.accessSync(interpreter, fs.constants.X_OK);
  return true;
}

/** Made for this machine, with a loader that is there: one for another C library is not. */
function elf(bytes) {
  const is64 = bytes[4] === 2;
  if (bytes.readUInt16LE(18) !== MACHINES[process.arch] || bytes[5] !== 1) return false;
  const [table, size, count] = is64
    ? [Number(bytes.readBigUInt64LE(32)), bytes.readUInt16LE(54), bytes.readUInt16LE(56)]
    : [bytes.readUInt32LE(28), bytes.readUInt16LE(42), bytes.readUInt16LE(44)];
  for (let at = table; at < table + size * count; at += size) {
    // PT_INTERP
    if (bytes.readUInt32LE(at) !== 3) continue;
    const [offset, length] = is64
      ? [Number(bytes.readBigUInt64LE(at + 8)), Number(bytes.readBigUInt64LE(at + 32))]
      : [bytes.readUInt32LE(at + 4), bytes.readUInt32LE(at + 16)];
    if (offset + length > bytes.length) return false;
    fs.accessSync(bytes.toString("latin1", offset, offset + length - 1), fs.constants.X_OK);
  }
  return true;
}

/** Whether the system can certainly run it. On doubt it is started as a child, which says what is wrong. */
function certainlyRuns(file) {
  try {
    const bytes = header(file);
    if (bytes.length < 64) return bytes.toString("latin1", 0, 2) === "#!" && script(bytes);
    if (bytes.toString("latin1", 0, 2) === "#!") return script(bytes);
    if (bytes.readUInt32BE(0) === 0x7f454c46) return process.platform !== "darwin" && elf(bytes);
    if (bytes.readUInt32LE(0) === 0xfeedfacf) {
      return process.platform === "darwin" && bytes.readUInt32LE(4) === CPUS[process.arch];
    }
    return false;
  } catch {
    return false;
  }
}

/** Whether a file is a program of any kind, and of this processor: what is none, the system would give to a shell. */
function isProgram(file) {
  try {
    const bytes = header(file);
    if (bytes.toString("hex", 0, 4) === "7f454c46") {
      const machines = [MACHINES[process.arch], process.arch === "x64" ? MACHINES.ia32 : undefined];
      return bytes.length >= 52 && machines.includes(bytes.readUInt16LE(18));
    }
    const kinds = ["cffaedfe", "cafebabe", "4d5a", "2321"];
    return kinds.some((kind) => bytes.toString("hex").startsWith(kind));
  } catch {
    // It cannot be read, which a program need not be.
    return true;
  }
}

module.exports = { certainlyRuns, isProgram };
