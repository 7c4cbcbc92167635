"use client";

import { useEffect, useState } from "react";
import { price } from "../lib/price";

export function Reduced() {
  const [reduced, setReduced] = useState("");
  useEffect(() => {
    setReduced(price({ cents: 1000 }));
  }, []);
  return <p>{reduced}</p>;
}
