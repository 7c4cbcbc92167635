// Runs in the page, and needs nothing of this package: tells the dev server what the console says and what nobody has caught.
(() => {
  const page = globalThis;
  if (page.__brummer || typeof page.fetch !== "function" || typeof page.addEventListener !== "function") return;
  page.__brummer = true;
  // A page in a loop tells so much at a time, and how much it has left out.
  const MOST = 50;
  let waiting = [];
  let left = 0;

  const flush = () => {
    if (left > 0) waiting.push({ kind: "console.warn", text: `${left} more messages are left out` });
    const body = JSON.stringify(waiting);
    [waiting, left] = [[], 0];
    page.fetch("/__brummer/console", { method: "POST", headers: { "content-type": "application/json" }, body }).catch(() => {});
  };
  const tell = (kind, text) => {
    if (waiting.length >= MOST) {
      left += 1;
      return;
    }
    if (waiting.length === 0) setTimeout(flush, 50);
    waiting.push({ kind, text: text.slice(0, 4000) });
  };

  const shown = (value) => {
    if (typeof value === "string") return value;
    if (value instanceof Error || typeof value?.stack === "string") {
      const head = `${value.name}: ${value.message}`;
      const stack = value.stack ?? "";
      // Firefox and Safari leave the message out.
      if (stack.startsWith(value.name)) return stack;
      return [head, ...stack.split("\n").filter(Boolean).map((line) => `    at ${line.replace(/^(.*)@(.*)$/, "$1 ($2)")}`)].join("\n");
    }
    try {
      return JSON.stringify(value) ?? String(value);
    } catch {
      return String(value);
    }
  };
  const format = (values) => {
    if (typeof values[0] !== "string") return values.map(shown).join(" ");
    let next = 1;
    const head = values[0].replace(/%[sdifoOc%]/g, (sign) => {
      if (sign === "%%" || next >= values.length) return sign === "%%" ? "%" : sign;
      const value = shown(values[next++]);
      return sign === "%c" ? "" : value;
    });
    return [head, ...values.slice(next).map(shown)].join(" ");
  };

  for (const level of ["error", "warn"]) {
    const original = page.console[level];
    page.console[level] = (...values) => {
      try {
        tell(`console.${level}`, format(values));
      } catch {
        // What cannot be told is still shown.
      }
      original.apply(page.console, values);
    };
  }
  page.addEventListener("error", (event) => {
    // A resource that could not be loaded has no message.
    if (event.error !== undefined || event.message) tell("Unhandled error", shown(event.error ?? event.message));
  });
  page.addEventListener("unhandledrejection", (event) => tell("Unhandled rejection", shown(event.reason)));
})();
