"use strict";

/** Members of what the hub says of an instance, in the spelling of JavaScript. Labels and unknown members stay as they are. */
function camelCase(entry) {
  const renamed = {};
  for (const [name, value] of Object.entries(entry)) {
    renamed[name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase())] = value;
  }
  return renamed;
}

module.exports = { camelCase };
