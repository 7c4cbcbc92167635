import { expect, test } from "vitest";
import { price } from "./price";

test("a price has two decimals", () => {
  expect(price({ cents: 1250 })).toBe("12.50 EUR");
});
