import { price } from "./price.mjs";

const item = { cents: 1250 };
const place = document.querySelector("#price");
if (place) place.textContent = price(item);
