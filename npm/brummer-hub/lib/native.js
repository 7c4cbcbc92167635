"use strict";
// The addon. It is loaded when it is first needed, so that importing the package costs nothing and never fails.
const { HubError } = require("./errors.js");
const { candidates, explanation } = require("./platform.js");

let loaded;

function native() {
  loaded ??= load();
  return loaded;
}

function load() {
  const failures = [];
  for (const file of candidates("addon")) {
    try {
      const module = { exports: {} };
      // `require` would want the name to end with `.node`, which a local build does not have.
      process.dlopen(module, file);
      return module.exports;
    } catch (error) {
      failures.push(error);
    }
  }
  const cause = failures.length > 1 ? new AggregateError(failures) : failures[0];
  const message = cause ? `cannot load the addon of brummer-hub: ${failures[0].message}` : explanation("addon");
  throw new HubError("ERR_BH_UNSUPPORTED", message, { cause });
}

module.exports = { native };
