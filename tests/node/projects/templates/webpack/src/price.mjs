/** @param {{ cents: number }} item */
export function price(item) {
  return `${(item.cents / 100).toFixed(2)} EUR`;
}
