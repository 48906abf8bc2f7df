// A process that puts many objects at one time and says which of them are stored: `node put-many.mjs ROOT FIRST`.
import { createFsObjectStorage } from "../../index.mjs";
import { madeObject } from "./made-object.mjs";

const AT_ONCE = 40;
const [root, first] = process.argv.slice(2);
const storage = createFsObjectStorage({ root });
await storage.init();
let next = Number(first);

/** Puts one after the other. */
async function putOn() {
  for (;;) {
    const { key, data, options, number } = madeObject(next++);
    await storage.put(key, data, options);
    process.stdout.write(`${number}\n`);
  }
}

await Promise.all(Array.from({ length: AT_ONCE }, putOn));
