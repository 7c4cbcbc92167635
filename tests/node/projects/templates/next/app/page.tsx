import { price } from "../lib/price";
import { Reduced } from "./reduced";

export const dynamic = "force-dynamic";

export default function Page() {
  return (
    <main>
      <h1>{price({ cents: 1250 })}</h1>
      <Reduced />
    </main>
  );
}
