// Adapters at their worst. `npm run stress` plays a hundred thousand of these rounds.
import { test } from "node:test";
import { stress } from "./support/stress.mjs";

test(
  "hostile adapters and workers that are ended in mid-round crash nothing and leave nothing behind",
  { timeout: 300_000 },
  async (t) => {
    const figures = await stress({ rounds: 2_000, workers: 8 });
    t.diagnostic(JSON.stringify(figures));
  },
);
