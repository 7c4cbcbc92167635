import { price } from "./price";

const item = { cents: 1250 };
document.querySelector("#price")!.textContent = price(item);
