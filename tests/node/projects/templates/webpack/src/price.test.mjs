import assert from "node:assert/strict";
import { test } from "node:test";
import { price } from "./price.mjs";

test("a price has two decimals", () => {
  assert.equal(price({ cents: 1250 }), "12.50 EUR");
});
