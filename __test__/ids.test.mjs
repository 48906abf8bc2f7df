// The ids of records: new ones, and those that an app has as text.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { record } from "./support/index.mjs";
import { at } from "./support/hlc.mjs";

test("new ids are ULIDs, each greater than the one before", () => {
  const made = Array.from({ length: 1000 }, () => sync.createId());
  for (const id of made) assert.match(id, /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
  assert.deepEqual([...new Set(made)].sort(), made);
});

test("an id of an app's own is the text that it was, and a store finds its record by it", async (t) => {
  const database = sync.createSqliteDatabaseAdapter({ path: ":memory:" });
  t.after(() => database.close());
  for (const text of ["note-1", "a\0b", "🪐", sync.createId()]) {
    assert.equal(sync.toId(text), text);
    await database.put(record(sync.toId(text), at(1, "a")));
    assert.equal((await database.get(sync.toId(text))).id, text);
  }
});

test("what no store takes as an id is refused where it is made", async (t) => {
  const database = sync.createSqliteDatabaseAdapter({ path: ":memory:" });
  t.after(() => database.close());
  for (const wrong of ["", "\uD800", 5, null, undefined, {}]) {
    const refused = { code: "INVALID_ARGUMENT", message: /^toId\(text\): must be a text that is/ };
    assert.throws(() => sync.toId(wrong), refused);
    await assert.rejects(database.put(record(wrong, at(1, "a"))), { code: "INVALID_ARGUMENT" });
  }
});
