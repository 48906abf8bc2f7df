// The delta over a table whose rows are no records: none is lost, and none is sent as another.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as sync from "@starkeep/sync-engine";
import { anyStamp } from "./support/delta.mjs";
import { at, parse, text } from "./support/hlc.mjs";
import { record } from "./support/memory.mjs";
import { DatabaseSync, needsSqlite } from "./support/native.mjs";
import { assertReadsIndexesOnly, openDelta, statementsOf } from "./support/sqlite-app.mjs";

/** A table that checks nothing, with a good record at each end and one between to be spoilt. */
function openLoose(schema, set) {
  const db = new DatabaseSync(":memory:");
  db.exec(schema);
  const app = {
    get(id) {
      const row = db.prepare("SELECT * FROM shared_records WHERE id = ?").get(id);
      if (row === undefined) return null;
      const time = (column) => row[column] && parse(row[column]);
      return {
        id: row.id,
        kind: "data",
        type: row.type,
        createdAt: time("created_at"),
        updatedAt: time("updated_at"),
        deletedAt: time("deleted_at"),
        objectStorageKey: row.object_storage_key,
        note: row.note,
      };
    },
  };
  const node = schema.includes("node_id") ? ", node_id" : "";
  for (const [id, offset] of [
    ["first", 1],
    ["odd", 5],
    ["last", 9],
  ]) {
    db.prepare(
      `INSERT INTO shared_records (id, type, created_at, updated_at, object_storage_key${node})
         VALUES (?, 't', ?, ?, ''${node && ", 'a'"})`,
    ).run(id, text(at(0, "a")), text(at(offset, "a")));
  }
  db.exec(`UPDATE shared_records SET ${set} WHERE id = 'odd'`);
  return { db, adapter: sync.withSqliteDelta(app, { db }) };
}
const COLUMNS = "type, created_at, updated_at, deleted_at, object_storage_key, note";
const LOOSE = {
  "without a node": `CREATE TABLE shared_records (id TEXT PRIMARY KEY, ${COLUMNS})`,
  "with a node": `CREATE TABLE shared_records (id TEXT PRIMARY KEY, node_id, ${COLUMNS})`,
  "without row ids": `CREATE TABLE shared_records (id TEXT PRIMARY KEY, ${COLUMNS}) WITHOUT ROWID`,
};

for (const [what, schema] of Object.entries(LOOSE)) {
  test(`a row that is no record has its place, as it stands: ${what}`, needsSqlite, async () => {
    for (const [set, field, value] of [
      ["created_at = 'rubbish'", "createdAt", "rubbish"],
      ["created_at = NULL", "createdAt", null],
      ["deleted_at = 'rubbish'", "deletedAt", "rubbish"],
      ["type = NULL", "type", null],
      ["id = x'00'", "id", [0]],
      ["id = CAST(x'6fff' AS TEXT)", "id", [0x6f, 0xff]],
      ...(what === "without row ids" ? [] : [["id = NULL", "id", null]]),
    ]) {
      const { adapter } = openLoose(schema, set);
      const page = await adapter.queryUnseen({}, { limit: 10 });
      const isLost = what === "without row ids" && set.includes("CAST");
      assert.deepEqual(
        page.records.map(({ updatedAt }) => updatedAt),
        [at(1, "a"), ...(isLost ? [] : [at(5, "a")]), at(9, "a")],
        set,
      );
      if (isLost) continue;
      const found = page.records[1][field];
      assert.deepEqual(ArrayBuffer.isView(found) ? [...found] : found, value);
      assert.deepEqual(await adapter.queryMalformed(), []);
    }
  });

  test(`a text that is no UTF-8 is not sent as another: ${what}`, needsSqlite, async () => {
    const { adapter } = openLoose(schema, "note = CAST(x'61ff' AS TEXT)");
    const { records } = await adapter.queryUnseen({}, { limit: 10 });
    assert.deepEqual(
      records.map(({ id }) => id),
      ["first", "odd", "last"],
    );
    assert.throws(() => records[1].note, {
      code: "MALFORMED_ITEM",
      message: /the column note of the record "odd" must be a text in UTF-8, got the bytes 61 ff/,
    });
    assert.throws(() => JSON.stringify(records[1]), { code: "MALFORMED_ITEM" });
    const { adapter: good } = openLoose(schema, "note = 'a\uFFFD'");
    const [, sent] = (await good.queryUnseen({}, { limit: 10 })).records;
    assert.equal(sent.note, "a\uFFFD");
  });

  test(`a row without a time is on no page, and is named: ${what}`, needsSqlite, async () => {
    const usual = Buffer.from(text(at(5, ""))).toString("hex");
    for (const time of [
      "NULL",
      "''",
      "'yesterday'",
      "7",
      `x'${usual}61'`,
      `CAST(x'${usual}ff' AS TEXT)`,
    ]) {
      for (const node of ["node_id", "NULL", "CAST(x'ff' AS TEXT)", "x'61'"]) {
        const setNode = what === "with a node" ? `, node_id = ${node}` : "";
        const { adapter, db } = openLoose(schema, `updated_at = ${time}${setNode}`);
        const { records, hasMore } = await adapter.queryUnseen({}, { limit: 10 });
        assert.deepEqual([records.map(({ id }) => id), hasMore], [["first", "last"], false]);
        const named = await adapter.queryMalformed();
        assert.deepEqual(
          named.map(({ id }) => id),
          ["odd"],
          `${time} ${node}`,
        );
        assert.match(named[0].reason, /the column updated_at of the record "odd" must be .*, got /);
        assert.deepEqual(await adapter.getNodeWatermarks(), { a: at(9, "a") });
        const [{ status }] = await adapter.applyRecords([record("odd", at(3, "a"))]);
        assert.equal(status, "applied", "any version is newer than none");
        assert.deepEqual(await adapter.queryMalformed(), []);
        db.close();
      }
    }
  });
}

test("finding what has no place reads indexes only", needsSqlite, async () => {
  for (const shape of ["0.1", "0.2"]) {
    const { db, adapter } = openDelta({ shape });
    await adapter.applyRecords(Array.from({ length: 30 }, (_, i) => record(`${i}`, at(i, "a"))));
    const asked = statementsOf(db, "shared_records");
    assert.deepEqual(await adapter.queryMalformed(), []);
    assert.ok(asked.size >= 2);
    assertReadsIndexesOnly(db, asked);
  }
});

const stamp = anyStamp([0, 1, 0xffff, 0x10000, 0x12345]);
const spoilt = fc.constantFrom(
  "NULL",
  "''",
  "7",
  "'rubbish'",
  "x'00'",
  "CAST(x'ff' AS TEXT)",
  "'000000000001:0000:\uFFFD'",
  "CAST(x'3030303030303030303030313a303030303aff' AS TEXT)",
);

test("whatever stands in a table, every row is on a page or named, once", needsSqlite, async () => {
  const columns = ["created_at", "updated_at", "deleted_at", "node_id", "type", "note"];
  const spoil = fc.dictionary(fc.constantFrom(...columns), spoilt, { maxKeys: 3 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(stamp, spoil), { maxLength: 8 }),
      fc.integer({ min: 1, max: 4 }),
      async (rows, limit) => {
        const { db, adapter } = openLoose(LOOSE["with a node"], "note = NULL");
        for (const [i, [written, values]] of rows.entries()) {
          const given = { type: "'t'", created_at: "'000000000001:0000:a'", ...values };
          const more = Object.entries(given).filter(([name]) => name !== "updated_at");
          db.prepare(
            `INSERT INTO shared_records (id, updated_at, ${more.map(([name]) => name).join(", ")})
               VALUES (?, ${values.updated_at ?? "?"}, ${more.map(([, value]) => value).join(", ")})`,
          ).run(...[`${i}`, ...(values.updated_at === undefined ? [text(written)] : [])]);
        }
        const [shown, seen] = [[], new Map()];
        for (let hasMore = true; hasMore;) {
          const page = await adapter.queryUnseen(Object.fromEntries(seen), { limit });
          for (const { id, updatedAt } of page.records) {
            shown.push(id);
            seen.set(updatedAt.nodeId, updatedAt);
          }
          hasMore = page.hasMore;
        }
        const named = (await adapter.queryMalformed()).map(({ id }) => id);
        const all = ["first", "last", "odd", ...rows.keys()].map(String);
        assert.deepEqual([...shown, ...named].sort(), all.sort());
        db.close();
      },
    ),
    { numRuns: 100 },
  );
});
