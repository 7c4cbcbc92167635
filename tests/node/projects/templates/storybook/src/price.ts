export interface Item {
  cents: number;
}

export function price(item: Item): string {
  return `${(item.cents / 100).toFixed(2)} EUR`;
}
