// Files that are put back, together and apart, on either side of an exchange over HTTP.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { at } from "./support/hlc.mjs";
import {
  KINDS,
  copyOf,
  engineAt,
  holding,
  nativePlace,
  openFor,
  serve,
} from "./support/logged-places.mjs";
import { folderFor, warningsOf } from "./support/native.mjs";
import { drain } from "./support/rounds.mjs";

/** Writes records and rows with these numbers. */
async function fill(place, from, to) {
  for (let i = from; i < to; i += 1) {
    await place.put(`${place.nodeId}-${i}`, at(i, place.nodeId));
    await place.line(place.nodeId, i, at(i, place.nodeId), `${i}`);
  }
}

const countsOf = async (place) => {
  const { records, rows } = await holding(place);
  return [Object.keys(records).length, Object.keys(rows).length];
};

async function assertEqual(a, b) {
  assert.deepEqual(await holding(a), await holding(b));
}

/** Of one side, records and rows in a file each: these are put back to where they were. */
for (const which of ["records", "rows"]) {
  for (const side of ["the caller's", "the answering side's"]) {
    test(`${side} ${which} file is put back, and the other file is not`, async (t) => {
      const apart = { apart: true };
      const folders = { laptop: folderFor(t), cloud: folderFor(t) };
      const old = side === "the caller's" ? "laptop" : "cloud";
      const open = async (nodeId) => nativePlace(folders[nodeId], nodeId, apart);
      const together = async (work) => {
        const [laptop, cloud] = [await open("laptop"), await open("cloud")];
        const { baseUrl, close } = await serve(t, cloud);
        try {
          return await work(laptop, cloud, engineAt(laptop, baseUrl));
        } finally {
          await close();
          await Promise.all([laptop.close(), cloud.close()]);
        }
      };
      let kept;
      await together(async (laptop, cloud, engine) => {
        await fill(laptop, 0, 20);
        await fill(cloud, 0, 20);
        await drain(engine);
        kept = { laptop, cloud }[old];
      });
      const copy = copyOf(kept, [which]);
      await together(async (laptop, cloud, engine) => {
        await fill(laptop, 20, 30);
        await fill(cloud, 20, 30);
        await drain(engine);
      });
      copy.putBack();
      await together(async (laptop, cloud, engine) => {
        await fill({ laptop, cloud }[old], 40, 45);
        await warningsOf(t, () => drain(engine));
        await assertEqual(laptop, cloud);
        assert.deepEqual(await countsOf(cloud), [65, 65]);
        assert.equal((await engine.exchange()).inSync, true);
      });
    });
  }
}

for (const [kind, { open, skip }] of Object.entries(KINDS)) {
  describe(kind, { skip }, () => {
    test("a copy that was put back and writes on under the numbers that it gave before", async (t) => {
      const cloud = await openFor(t, open, "cloud");
      const { baseUrl } = await serve(t, cloud);
      const folder = folderFor(t);
      let laptop = await open(folder, "laptop");
      await fill(laptop, 0, 10);
      await drain(engineAt(laptop, baseUrl));
      await laptop.close();
      const copy = copyOf(laptop);
      laptop = await open(folder, "laptop");
      await fill(laptop, 10, 20);
      await fill(cloud, 0, 10);
      await drain(engineAt(laptop, baseUrl));
      await laptop.close();
      copy.putBack();
      laptop = await open(folder, "laptop");
      t.after(() => laptop.close());
      // As many as before, with stamps that were used before.
      for (let i = 10; i < 20; i += 1) {
        await laptop.put(`again-${i}`, at(i, "laptop"));
        await laptop.line("again", i, at(i, "laptop"), `${i}`);
      }
      const engine = engineAt(laptop, baseUrl);
      await warningsOf(t, () => drain(engine));
      await assertEqual(laptop, cloud);
      assert.deepEqual(await countsOf(cloud), [40, 40]);
      assert.equal((await engine.exchange()).inSync, true);
    });

    test("a cloud that was put back, and to which two laptops write on, has all again", async (t) => {
      const folder = folderFor(t);
      const laptops = [await openFor(t, open, "one"), await openFor(t, open, "two")];
      let cloud = await open(folder, "cloud");
      let server = await serve(t, cloud);
      for (const laptop of laptops) {
        await fill(laptop, 0, 10);
        await drain(engineAt(laptop, server.baseUrl));
      }
      await server.close();
      await cloud.close();
      const copy = copyOf(cloud);
      cloud = await open(folder, "cloud");
      server = await serve(t, cloud);
      for (const laptop of laptops) {
        await fill(laptop, 10, 20);
        await drain(engineAt(laptop, server.baseUrl));
      }
      await server.close();
      await cloud.close();
      copy.putBack();
      cloud = await open(folder, "cloud");
      t.after(() => cloud.close());
      server = await serve(t, cloud);
      const engines = laptops.map((laptop) => engineAt(laptop, server.baseUrl));
      await fill(cloud, 0, 5);
      await fill(laptops[1], 20, 25);
      await warningsOf(t, async () => {
        for (const engine of [...engines, ...engines]) await drain(engine);
      });
      for (const laptop of laptops) await assertEqual(laptop, cloud);
      assert.deepEqual(await countsOf(cloud), [50, 50]);
    });
  });
}
