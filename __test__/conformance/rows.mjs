// What every source of app rows does when it is called itself.
import assert from "node:assert/strict";
import fc from "fast-check";
import * as sync from "@starkeep/sync-engine";
import { at, clockFor, compare, text, watermarksOf } from "../support/hlc.mjs";
import { memoryDatabase, memoryObjects } from "../support/memory.mjs";
import { APP, TABLES } from "./row-stores.mjs";
import { isLong, needing } from "./suite.mjs";

export const entry = (op, stamp, row, rest = {}) => ({
  timestamp: stamp,
  appId: APP,
  table: "pages",
  op,
  row: row && { ...row, updated_at: text(stamp) },
  ...rest,
});
export const page = (id, stamp, more = {}) =>
  entry("insert", stamp, { id, title: id, deleted_at: null, ...more });

const plain = (value) => JSON.parse(JSON.stringify(value));

/** A column without a value is no difference: tables have all of theirs. */
function told(one) {
  const columns = Object.entries(one.row).filter(
    ([name, value]) => name !== "node_id" && (value !== null || name === "deleted_at"),
  );
  return { ...one, row: Object.fromEntries(columns.sort(([a], [b]) => (a < b ? -1 : 1))) };
}

async function scan(source, table = "pages", since = "", options = {}) {
  const found = plain(await source.applier.scanSince(APP, table, since, options));
  return { ...found, rows: found.rows.map(told) };
}

/** Every row after a timestamp, page by page. */
export async function scanAll(source, { table = "pages", since = "", limit = 2 } = {}) {
  const rows = [];
  for (let cursor; ;) {
    const found = await scan(source, table, since, { limit, cursor });
    assert.equal(found.hasMore, found.nextCursor !== null);
    rows.push(...found.rows);
    if (!found.hasMore) return rows;
    cursor = found.nextCursor;
  }
}

const assertHolds = async (source, ...entries) =>
  assert.deepEqual((await scan(source)).rows, entries.map(plain).map(told));

const stampsOf = (of) =>
  fc
    .tuple(
      fc.nat(4),
      fc.constantFrom("a", "b:c", "🪐", "\uff5e", ""),
      fc.constantFrom(0, 9, 0xffff, ...(isLong(of) ? [0x10000] : [])),
    )
    .map(([offset, nodeId, counter]) => at(offset, nodeId, counter));
export const writesOf = (of) =>
  fc.array(fc.record({ id: fc.constantFrom("1", "2", "3"), stamp: stampsOf(of) }), {
    maxLength: 16,
  });

/** The newest of each id. */
export function newest(written) {
  const model = new Map();
  for (const { id, stamp } of written) {
    if (!model.has(id) || compare(stamp, model.get(id)) > 0) model.set(id, stamp);
  }
  return model;
}

/** @type {Record<string, (source: any, of: any, t: any) => Promise<void>>} */
export const ROWS = {
  async "an insert brings a deleted row to life, and an update does not"(source) {
    const where = { id: "1" };
    await source.applier.apply(entry("insert", at(1, "a"), { id: "1", title: "one" }));
    const state = async () => {
      const [{ op, row }] = (await scan(source)).rows;
      return [op, row.title, (row.deleted_at ?? null) === null];
    };
    await source.applier.apply(entry("delete", at(2, "a"), undefined, { where }));
    await source.applier.apply(entry("update", at(3, "a"), { title: "two" }, { where }));
    assert.deepEqual(await state(), ["delete", "two", false]);
    await source.applier.apply(entry("insert", at(4, "a"), { id: "1", title: "three" }));
    assert.deepEqual(await state(), ["insert", "three", true]);
  },

  async "the newer of two inserts stands, whichever comes first"(source) {
    const [older, newer] = [
      page("a", at(1, "x"), { title: "old" }),
      page("a", at(2, "y"), { title: "new" }),
    ];
    for (const one of [older, newer, older]) await source.applier.apply(one);
    await assertHolds(source, newer);
  },

  async "what has the same time changes nothing"(source) {
    const first = page("a", at(1, "x"), { title: "first" });
    for (const one of [first, page("a", at(1, "x"), { title: "second" })]) {
      await source.applier.apply(one);
    }
    await assertHolds(source, first);
  },

  async "an update changes the columns that it names of rows that are older"(source) {
    await source.applier.apply(page("a", at(1, "x"), { note: "kept" }));
    await source.applier.apply(page("b", at(9, "x")));
    const where = (id) => ({ where: { id } });
    await source.applier.apply(entry("update", at(3, "y"), { title: "changed" }, where("a")));
    await source.applier.apply(entry("update", at(3, "y"), { title: "too late" }, where("b")));
    await source.applier.apply(entry("update", at(3, "y"), { title: "nobody" }, where("c")));
    await assertHolds(
      source,
      page("a", at(3, "y"), { title: "changed", note: "kept" }),
      page("b", at(9, "x")),
    );
  },

  async "a deleted row stays, as a delete entry with the whole row"(source) {
    await source.applier.apply(page("a", at(1, "x"), { note: "kept" }));
    const gone = (stamp) => entry("delete", stamp, undefined, { where: { id: "a" } });
    await source.applier.apply(gone(at(0, "x")));
    await assertHolds(source, page("a", at(1, "x"), { note: "kept" }));
    await source.applier.apply(gone(at(2, "x")));
    const dead = { id: "a", title: "a", note: "kept", deleted_at: text(at(2, "x")) };
    await assertHolds(source, entry("delete", at(2, "x"), dead));
  },

  async "a row that is deleted before it was seen is not brought back by an older version"(source) {
    const dead = { id: "a", title: "a", deleted_at: text(at(5, "x")) };
    await source.applier.apply(entry("delete", at(5, "x"), dead));
    await source.applier.apply(page("a", at(4, "y")));
    await assertHolds(source, entry("delete", at(5, "x"), dead));
  },

  async "rows are told apart by all columns of the primary key"(source) {
    const link = (from, to, stamp) => ({
      ...entry("insert", stamp, { from, to, deleted_at: null }),
      table: "links",
    });
    const links = [link(1, 2, at(1, "x")), link(1, 3, at(2, "x")), link(2, 2, at(3, "x"))];
    for (const one of links) await source.applier.apply(one);
    assert.deepEqual((await scan(source, "links")).rows, plain(links).map(told));
  },

  "every JSON value goes through unchanged, also under names that mean something elsewhere":
    needing("columns of any name", async (source) => {
      const odd = {
        yes: true,
        no: false,
        none: null,
        whole: 5,
        part: 0.1,
        small: -1e-7,
        large: 2 ** 53 - 1,
        huge: 1e300,
        digits: "007",
        empty: "",
        text: 'ü \u{1F600} "quoted" \0',
        object: { a: [1, { b: null }] },
        constructor: "c",
        'a"b; DROP TABLE x': 1,
        ID: "another column",
        starkeep_extra_json: "mine",
      };
      Object.defineProperty(odd, "__proto__", { value: "own", enumerable: true });
      const sent = page("a", at(1, "x"), odd);
      assert.ok(Object.hasOwn(sent.row, "__proto__"));
      await source.applier.apply(sent);
      const [{ row }] = plain((await source.applier.scanSince(APP, "pages", "")).rows);
      const known = Object.entries(row).filter(
        ([name, value]) => Object.hasOwn(sent.row, name) || value !== null,
      );
      assert.equal(
        JSON.stringify(known.filter(([name]) => name !== "node_id").sort()),
        JSON.stringify(Object.entries(sent.row).sort()),
      );
    }),

  async "whatever is written, the newest stands, and pages follow each other without gaps"(
    _,
    of,
    t,
  ) {
    await fc.assert(
      fc.asyncProperty(writesOf(of), fc.integer({ min: 1, max: 4 }), async (written, limit) => {
        const source = await of.make(t);
        for (const { id, stamp } of written) await source.applier.apply(page(id, stamp));
        const expected = [...newest(written).values()].sort(compare);
        const timesOf = (rows) => rows.map((one) => one.timestamp);
        assert.deepEqual(timesOf(await scanAll(source, { limit })), expected);
        const [floor] = expected;
        if (floor === undefined) return;
        const after = await scanAll(source, { since: text(floor), limit });
        assert.deepEqual(
          timesOf(after),
          expected.filter((stamp) => compare(stamp, floor) > 0),
        );
      }),
      { numRuns: 20 },
    );
  },

  "tells the greatest timestamp of each node, tombstones included": needing(
    "coverage",
    async (source, of) => {
      assert.deepEqual(await source.applier.getNodeWatermarks(APP, "pages"), {});
      const greatest = isLong(of) ? 65_536 : 65_535;
      const counters = [0, greatest - 1, greatest, 9];
      const written = counters.map((counter) => at(2, counter === 0 ? "b" : "a", counter));
      for (const [i, stamp] of written.entries()) await source.applier.apply(page(`${i}`, stamp));
      const dead = at(3, "c");
      await source.applier.apply(
        entry("delete", dead, { id: "dead", title: "x", deleted_at: text(dead) }),
      );
      assert.deepEqual(
        plain(await source.applier.getNodeWatermarks(APP, "pages")),
        watermarksOf([...written, dead]),
      );
      assert.deepEqual(plain(await source.applier.getNodeWatermarks(APP, "links")), {});
    },
  ),

  async "the apps are answered at once"(source) {
    assert.deepEqual(
      source.namespaces.get(APP).tableNames,
      TABLES.map(({ name }) => name),
    );
    assert.deepEqual(source.namespaces.get("nobody"), null);
    assert.deepEqual(plain(source.namespaces.list()[0].tables), TABLES);
  },

  async "a row of an app or a table that is not registered is refused"(source) {
    for (const other of [{ appId: "nobody" }, { table: "nothing" }]) {
      await assert.rejects(async () =>
        source.applier.apply({ ...page("a", at(1, "x")), ...other }),
      );
    }
    assert.deepEqual((await scan(source)).rows, []);
  },
};

/** How a source shows that it cannot do what a sentence needs. */
export const ROW_LIMITS = {
  coverage: (source) => assert.equal(source.applier.getNodeWatermarks, undefined),
  "long counters": (source) =>
    assert.rejects(source.applier.apply(page("a", at(1, "x", 65_536))), {
      code: "INVALID_ARGUMENT",
      message: /at most 12 digits/,
    }),
  async "columns of any name"(source) {
    const foreign = page("a", at(1, "x"), { colour: "red" });
    await assert.rejects(source.applier.apply(foreign), { code: "DATABASE_ERROR" });
    assert.deepEqual((await scan(source)).rows, []);
  },
};

/** Rows that an app has written itself, other than this package or the releases would. */
export const ODD_APP_ROWS = {
  async "a row whose node_id is not the node of its time is exchanged by its time, once"(_, of, t) {
    const source = await of.over(t, (db) => {
      const node = of.nodeId ? ", node_id" : "";
      const insert = (id, stamp, nodeId) =>
        db
          .prepare(
            `INSERT INTO notes_syncable_pages (id, updated_at${node}) VALUES (?, ?${node && ", ?"})`,
          )
          .run(...[id, text(stamp), ...(of.nodeId ? [nodeId] : [])]);
      insert("other", at(1, "a"), "z");
      insert("none", at(2, "a"), null);
      insert("empty", at(3, "b"), "");
      insert("right", at(9, "z"), "z");
    });
    const ask = async (watermarks) => {
      const transport = sync.createInProcessSyncTransport({
        databaseAdapter: memoryDatabase(),
        objectStorage: memoryObjects(),
        clock: clockFor("there"),
        appSyncableSource: source,
      });
      const { appSyncableRows } = await transport.exchange({ watermarks, limit: 10 });
      return appSyncableRows.map(({ row }) => row.id).sort();
    };
    assert.deepEqual(await ask({}), ["empty", "none", "other", "right"]);
    assert.deepEqual(await ask({ z: at(9, "z") }), ["empty", "none", "other"]);
    assert.deepEqual(await ask({ a: at(1, "a"), z: at(8, "z") }), ["empty", "none", "right"]);
    assert.deepEqual(
      plain(await source.applier.getNodeWatermarks(APP, "pages")),
      watermarksOf([at(2, "a"), at(3, "b"), at(9, "z")]),
    );
  },
};
