// A process that ends well once the native stores in all of these folders hold these records and their
// objects: `native-watcher.mjs <records as JSON> <folder>…`
import { setTimeout as sleep } from "node:timers/promises";
import { openNode } from "./native-node.mjs";

const [expected, ...folders] = process.argv.slice(2);
const nodes = folders.map((folder) => openNode(folder, "watcher"));

async function holdsAll({ db, objects }) {
  for (const { id, objectStorageKey: key } of JSON.parse(expected)) {
    if ((await db.get(id)) === null) return false;
    if (key !== "" && !(await objects.has(key))) return false;
  }
  return true;
}

const deadline = Date.now() + 60_000;
for (const node of nodes) {
  while (!(await holdsAll(node))) {
    if (Date.now() > deadline) throw new Error("not all of it came");
    await sleep(10);
  }
}
