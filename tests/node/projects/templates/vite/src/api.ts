import { price } from "./price";

export function answer(): string {
  return price({ cents: 1250 });
}
