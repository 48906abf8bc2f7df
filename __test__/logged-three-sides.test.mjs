// Two laptops and a cloud with change logs, over HTTP, records and app rows together.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { at } from "./support/hlc.mjs";
import { KINDS, copyOf, engineAt, holding, openFor, serve } from "./support/logged-places.mjs";
import { folderFor, warningsOf } from "./support/native.mjs";
import { drain } from "./support/rounds.mjs";

/** Three places of a kind, the engines of the two laptops, and rounds of both. */
async function three(t, open) {
  const cloud = await openFor(t, open, "cloud");
  const laptops = [await openFor(t, open, "one"), await openFor(t, open, "two")];
  const { baseUrl } = await serve(t, cloud);
  const engines = laptops.map((laptop) => engineAt(laptop, baseUrl, { pageLimit: 7 }));
  const settle = async () => {
    for (const engine of [...engines, ...engines]) await drain(engine);
  };
  return { cloud, laptops, engines, settle, baseUrl };
}

async function assertAllEqual(places) {
  const [first, ...others] = await Promise.all(places.map(holding));
  for (const other of others) assert.deepEqual(other, first);
  return first;
}

for (const [kind, { open, skip }] of Object.entries(KINDS)) {
  describe(kind, { skip }, () => {
    test("what each writes, in whatever order of stamps, is on all three", async (t) => {
      const { cloud, laptops, engines, settle } = await three(t, open);
      const places = [cloud, ...laptops];
      for (let i = 0; i < 60; i += 1) {
        const place = places[i % 3];
        // Stamps that go forth and back.
        const stamp = at((i * 7919) % 1000, place.nodeId);
        await place.put(`r${i}`, stamp);
        await place.line(place.nodeId, i, stamp, `${i}`);
        if (i % 8 === 0) await engines[i % 2].exchange();
      }
      await settle();
      const { records, rows } = await assertAllEqual(places);
      assert.deepEqual([Object.keys(records).length, Object.keys(rows).length], [60, 60]);
      for (const engine of engines) assert.equal((await engine.exchange()).inSync, true);
    });

    test("of what all three wrote, the newest stands everywhere", async (t) => {
      const { cloud, laptops, settle } = await three(t, open);
      const places = [cloud, ...laptops];
      for (let i = 0; i < 9; i += 1) {
        for (const [nth, place] of places.entries()) {
          const stamp = at((i * 31 + nth * 17) % 50, place.nodeId);
          await place.put(`r${i}`, stamp, `${place.nodeId} ${i}`);
          await place.line("all", i, stamp, `${place.nodeId} ${i}`);
        }
      }
      await settle();
      const { records, rows } = await assertAllEqual(places);
      for (let i = 0; i < 9; i += 1) {
        const stamps = places.map(({ nodeId }, nth) => [(i * 31 + nth * 17) % 50, nodeId]);
        const [[, winner]] = stamps.sort(([a, x], [b, y]) => b - a || (x < y ? 1 : -1));
        assert.equal(records[`r${i}`], `${winner} ${i}`);
        assert.equal(rows[`all/${i}`], `${winner} ${i}`);
      }
    });

    test("two machines that are copies of one, and write on for days, lose nothing", async (t) => {
      const original = await open(folderFor(t), "laptop");
      for (let i = 0; i < 10; i += 1) await original.put(`before-${i}`, at(i, "laptop"));
      await original.close();
      const copied = copyOf(original);
      const machines = [];
      for (const folder of [original.folder, folderFor(t)]) {
        copied.putInto(folder);
        const machine = await open(folder, "laptop");
        t.after(() => machine.close());
        machines.push(machine);
      }
      const cloud = await openFor(t, open, "cloud");
      const { baseUrl } = await serve(t, cloud);
      const DAY = 24 * 60 * 60 * 1000;
      await warningsOf(t, async () => {
        for (let day = 0; day < 30; day += 1) {
          for (const [nth, machine] of machines.entries()) {
            // One of the clocks is hours behind, and on some days the program begins again.
            const stamp = (i) => at(day * DAY - nth * 5 * 60 * 60 * 1000 + i, "laptop");
            for (let i = 0; i < 3; i += 1) {
              await machine.put(`${nth}-${day}-${i}`, stamp(i));
              await machine.line(`${nth}`, day * 3 + i, stamp(i), `${day}`);
            }
            if (day % 5 === 0) machine.engine = undefined;
            machine.engine ??= engineAt(machine, baseUrl);
            if ((day + nth) % 3 !== 0) await drain(machine.engine);
          }
        }
        for (const { engine } of [...machines, ...machines]) await drain(engine);
      });
      const { records, rows } = await assertAllEqual([cloud, ...machines]);
      assert.deepEqual([Object.keys(records).length, Object.keys(rows).length], [190, 180]);
      for (const { engine } of machines) assert.equal((await engine.exchange()).inSync, true);
    });
  });
}
