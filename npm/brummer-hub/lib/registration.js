"use strict";
const check = require("./check.js");
const ending = require("./ending.js");
const { invalid, translated } = require("./errors.js");
const { native } = require("./native.js");

const OPTIONS = {
  port: "port",
  name: "string",
  path: "path",
  endpoint: "string",
  id: "string",
  pid: "positive integer",
  version: "string",
  labels: "labels",
  token: "string",
  headers: "labels",
  dataDir: "path",
};

class Registration {
  #native;

  constructor(announced) {
    this.#native = announced;
    this.id = announced.id;
    this.file = announced.file;
    ending.add(this, () => announced.remove());
  }

  async close() {
    ending.remove(this);
    translated(() => this.#native.remove());
  }

  [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]() {
    return this.close();
  }
}

function register(options) {
  const checked = check.options(options, OPTIONS, "register");
  if (checked.port === undefined) throw invalid("register: `port` is missing; read it from the server that listens");
  const announced = translated(() => native().NativeRegistration.announce(JSON.stringify(checked)));
  return new Registration(announced);
}

module.exports = { Registration, register };
