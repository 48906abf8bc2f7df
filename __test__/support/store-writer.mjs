// A process that writes to a store that others have open: `store-writer.mjs <file> <name> <count>`. As
// "check" it opens the file alone and says whether it is whole.
import assert from "node:assert/strict";
import * as sync from "@starkeep/sync-engine";
import { at } from "./hlc.mjs";
import { record } from "./memory.mjs";
import { DatabaseSync } from "./native.mjs";

const [file, name, count] = process.argv.slice(2);

if (name === "check" && DatabaseSync !== null) {
  const [{ integrity_check: found }] = new DatabaseSync(file)
    .prepare("PRAGMA integrity_check")
    .all();
  console.log(found === "ok" ? "whole" : found);
} else {
  const database = sync.createSqliteDatabaseAdapter({ path: file });
  await database.init();
  if (name === "check") console.log((await database.healthCheck()) ? "whole" : "not whole");
  for (let i = 0; i < Number(count); i += 1) {
    await database.put(record(`${name}-${i}`, at(i, name)));
    if (i % 10 === 0)
      assert.notEqual(await database.get("shared"), null, "the others' writes are seen");
    assert.notEqual(await database.get(`${name}-${i}`), null);
  }
  await database.close();
}
