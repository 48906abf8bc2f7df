// A hundred thousand hostile rounds, half of them in this thread and half in workers that are ended in the middle:
// `npm run stress [-- --rounds N] [--workers N]`. Prints what memory did.
import { parseArgs } from "node:util";
import { stress } from "../__test__/support/stress.mjs";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "100000" },
    workers: { type: "string", default: "200" },
  },
});

const figures = await stress({
  rounds: Number(values.rounds),
  workers: Number(values.workers),
  tell: (line) => console.log(line),
});
console.log(JSON.stringify(figures, null, 2));
