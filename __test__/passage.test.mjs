// What a round carries: items as they are, from and to adapters of any kind.
import assert from "node:assert/strict";
import { test } from "node:test";
import { at, text } from "./support/hlc.mjs";
import {
  APP,
  FILES,
  NOTES,
  drain,
  lastTurn,
  makeCloud,
  makeNode,
  makeWorld,
  memoryDatabase,
  memoryObjects,
  memoryState,
  record,
  remove,
  write,
} from "./support/index.mjs";

test("a record and a row go through unchanged, as the very objects, whatever fields they carry", async () => {
  const {
    cloud,
    nodes: [a, b],
  } = makeWorld(["a", "b"]);
  const unknown = {
    label: "x",
    nested: { list: [1, { deep: true }] },
    when: new Date(0),
    big: 12n,
    none: undefined,
  };
  write(a, "SR", "1", { fields: unknown });
  const sent = a.db.all()[0];
  await drain(a);
  assert.equal(cloud.db.all()[0], sent);
  await drain(b);
  assert.equal(b.db.all()[0], sent);
  write(a, "AW", "2", { fields: unknown });
  await drain(a);
  assert.deepEqual(a.rows.rows(APP, NOTES), cloud.rows.rows(APP, NOTES));
  const shipped = lastTurn(a).request.appSyncableRows[0];
  assert.ok(
    cloud.via.applier.log.some(({ name, args }) => name === "apply" && args[0] === shipped),
  );
  assert.equal(shipped.row.nested, unknown.nested);
});

test("unknown fields of an entry, and an update with its where, reach the applier untouched", async () => {
  const odd = {
    timestamp: at(-1, "z"),
    appId: APP,
    table: NOTES,
    op: "update",
    row: { body: "b" },
    where: { id: "1" },
    reason: "odd",
  };
  const transport = {
    exchange: async () => ({ records: [], appSyncableRows: [odd], hasMore: false }),
  };
  const a = makeNode("a", makeCloud(), { engine: { transport } });
  await a.engine.exchange();
  assert.equal(a.via.applier.log.find(({ name }) => name === "apply").args[0], odd);
});

test("an engine over adapters that answer with values rather than promises works alike", async () => {
  const cloud = makeCloud();
  const [db, objects, state] = [
    memoryDatabase({ plain: true }),
    memoryObjects({ plain: true }),
    memoryState({ plain: true }),
  ];
  const a = makeNode("a", cloud, {
    engine: { localDatabaseAdapter: db, localObjectStorage: objects, syncState: state },
  });
  db.put(record("1", at(-1, "a"), { objectStorageKey: "k" }));
  objects.put("k", new Uint8Array(3));
  write(cloud, "SR", "2", { stamp: at(-1, "z"), key: "k2" });
  assert.deepEqual(await a.engine.exchange(), { applied: 1, shipped: 1, hasMore: false });
  assert.deepEqual(
    db
      .all()
      .map((r) => r.id)
      .sort(),
    ["1", "2"],
  );
  assert.deepEqual(objects.keys().sort(), ["k", "k2"]);
  assert.equal(text(state.own().z), text(at(-1, "z")));
});

test("a tombstone goes through like any other item, and moves no blob", async () => {
  const {
    cloud,
    nodes: [a, b],
  } = makeWorld(["a", "b"]);
  for (const kind of ["SR", "AR"]) {
    write(a, kind, "1", { key: `lost-${kind}`, lost: true });
    remove(a, kind, "1");
  }
  write(a, "AW", "1");
  remove(a, "AW", "1");
  const storages = [a.via.remote, a.via.objects, b.via.remote, b.via.objects];
  assert.equal((await drain(a))[0].shipped, 3);
  assert.equal((await drain(b))[0].applied, 1);
  assert.notEqual(b.db.all()[0].deletedAt, null);
  assert.notEqual(b.rows.rows(APP, FILES)[0].deleted_at, null);
  assert.notEqual(b.rows.rows(APP, NOTES)[0].deleted_at, null);
  for (const storage of storages) assert.deepEqual([storage.calls.get, storage.calls.put], [0, 0]);
  assert.deepEqual(cloud.objects.keys(), []);
});
