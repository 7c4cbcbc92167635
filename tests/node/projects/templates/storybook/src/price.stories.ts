import type { Meta, StoryObj } from "@storybook/html-vite";
import { price, type Item } from "./price";

function render(item: Item): HTMLElement {
  const element = document.createElement("p");
  element.textContent = price(item);
  return element;
}

const meta: Meta<Item> = { title: "Price", render };
export default meta;

export const Plain: StoryObj<Item> = { args: { cents: 1250 } };
