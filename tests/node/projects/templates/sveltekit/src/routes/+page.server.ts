import { price } from "$lib/price";

export function load() {
  return { price: price({ cents: 1250 }) };
}
