// A change log that another program drops, alters or writes by hand while its file is exchanged over HTTP, at either
// side: it is made anew, the two sides find out that they have to meet again, and nothing is lost.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { at } from "./support/hlc.mjs";
import { KINDS, engineAt, holding, openFor, serve } from "./support/logged-places.mjs";
import { DatabaseSync, needsSqlite, warningsOf } from "./support/native.mjs";
import { drain } from "./support/rounds.mjs";

const BEFORE = 12;

function dropAll(db) {
  const names = db.prepare(
    `SELECT name, type FROM sqlite_schema WHERE name GLOB 'starkeep_*_log*' AND type IN ('trigger', 'table')
    ORDER BY type DESC`,
  );
  for (const { name, type } of names.all()) db.exec(`DROP ${type} "${name}"`);
}

const ofBoth = (statement) => (db) => {
  for (const log of ["starkeep_records_log", "starkeep_rows_log"])
    db.exec(statement.replaceAll("@", log));
};

const HARMS = {
  "is dropped": dropAll,
  "is emptied": ofBoth("DELETE FROM @"),
  "loses half of its entries": ofBoth("DELETE FROM @ WHERE seq % 2 = 0"),
  "has its numbers written by hand": ofBoth("UPDATE @ SET seq = seq + 1000"),
  "has its hashes written by hand": ofBoth("UPDATE @ SET hash = 7"),
  "loses its sums": ofBoth("UPDATE @_streams SET count = 0, sum = 0"),
  "loses its name": ofBoth("DELETE FROM @_meta"),
  "loses its generations": ofBoth("DELETE FROM @_generations"),
  "forgets its peers": ofBoth("UPDATE @_peers SET seq = 9007199254740991"),
  "loses its triggers": ofBoth("DROP TRIGGER @_1_insert; DROP TRIGGER @_1_update"),
};

async function harmed(t, open, role, harm) {
  const places = {
    laptop: await openFor(t, open, "laptop"),
    cloud: await openFor(t, open, "cloud"),
  };
  const { laptop, cloud } = places;
  const { baseUrl } = await serve(t, cloud);
  const engine = engineAt(laptop, baseUrl, { pageLimit: 5 });
  for (const [name, place] of Object.entries(places)) {
    for (let n = 0; n < BEFORE; n += 1) {
      await place.put(`${name}-${n}`, at(n, name));
      await place.line(name, n, at(n, name), `${n}`);
    }
    await drain(engine);
  }
  const other = new DatabaseSync(places[role].paths.records);
  other.exec("PRAGMA busy_timeout = 5000");
  harm(other);
  other.close();
  for (const [name, place] of Object.entries(places)) {
    await place.put(`after-${name}`, at(3, name));
    await place.line("after", name === "laptop" ? 1 : 2, at(3, name), name);
  }
  return { laptop, cloud, engine };
}

async function assertWhole({ laptop, cloud, engine }) {
  await drain(engine);
  await engine.reconcile();
  const { inSync, held } = await drain(engine);
  assert.deepEqual(held, []);
  assert.equal(inSync, true);
  const { records, rows } = await holding(laptop);
  assert.deepEqual(await holding(cloud), { records, rows });
  assert.equal(Object.keys(records).length, 2 * BEFORE + 2);
  assert.equal(Object.keys(rows).length, 2 * BEFORE + 2);
}

for (const [kind, { open }] of Object.entries(KINDS)) {
  for (const role of ["laptop", "cloud"]) {
    describe(`the log of the ${role}, over ${kind}`, needsSqlite, () => {
      for (const [what, harm] of Object.entries(HARMS)) {
        test(what, async (t) => {
          await warningsOf(t, async () => {
            await assertWhole(await harmed(t, open, role, harm));
          });
        });
      }
    });
  }
}
