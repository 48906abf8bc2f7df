// What an answering side could not take in is warned of, whichever threads it answers on.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import * as sync from "@starkeep/sync-engine";
import { exchange, sideFor } from "./support/answering.mjs";
import { memoryAppRows } from "./support/app-rows.mjs";
import { at } from "./support/hlc.mjs";
import { folderFor } from "./support/native.mjs";

const STRANGER = {
  timestamp: at(1, "laptop"),
  appId: "stranger",
  table: "notes",
  op: "insert",
  row: { id: "1" },
};

const ROWS = {
  adapters: () => memoryAppRows(),
  native: (t) => {
    const rows = sync.createSqliteAppRows({ path: join(folderFor(t), "rows.db") });
    t.after(() => rows.close());
    return rows;
  },
};

for (const front of ["handler", "server"]) {
  for (const kind of Object.keys(ROWS)) {
    test(`a row of an app that nobody registered is warned of: ${front} over ${kind}`, async (t) => {
      const said = t.mock.method(console, "warn", () => {});
      const options = { appSyncableSource: ROWS[kind](t) };
      const side = await sideFor(t, { front, kind, options });
      const { json } = await exchange(side, { watermarks: {}, appSyncableRows: [STRANGER] });
      assert.notEqual(json, undefined);
      for (let wait = 0; wait < 100 && said.mock.callCount() === 0; wait += 1) await setTimeout(10);
      const words = said.mock.calls.map(({ arguments: [text] }) => text).join("\n");
      assert.match(words, /stranger/);
    });
  }
}

for (const front of ["handler", "server"]) {
  test(`a caller whose every item is refused fills no log: ${front}`, async (t) => {
    const said = t.mock.method(console, "warn", () => {});
    const options = { appSyncableSource: ROWS.native(t) };
    const side = await sideFor(t, { front, kind: "native", options });
    const rows = Array.from({ length: 300 }, (_, n) => ({
      ...STRANGER,
      timestamp: at(1, `laptop-${n}`),
      row: { id: String(n) },
    }));
    const { json } = await exchange(side, { watermarks: {}, appSyncableRows: rows });
    assert.notEqual(json, undefined);
    const lines = () =>
      said.mock.calls
        .map(({ arguments: [text] }) => text)
        .filter((text) => text.includes("of a caller"));
    for (let wait = 0; wait < 300 && lines().length < 100; wait += 1) await setTimeout(10);
    assert.equal(lines().length, 100);
    assert.match(lines()[99], /items after it are not named, for a minute/);
  });
}

test("what native code warns of is said on the console, and keeps no process alive", async (t) => {
  const side = await sideFor(t, { front: "server", kind: "native" });
  const code = `
    import { createHttpSyncTransport } from "@starkeep/sync-engine";
    console.warn = (text) => console.log(text);
    const peer = createHttpSyncTransport({ baseUrl: process.argv[1] });
    await peer.exchange({ watermarks: {}, records: [], appSyncableRows: [] });
    await new Promise((resolve) => setImmediate(resolve));
  `;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--input-type=module", "-e", code, side.url],
    {
      env: { ...process.env, NODE_EXTRA_CA_CERTS: "/no/such/file.pem", NODE_NO_WARNINGS: "1" },
      cwd: new URL(".", import.meta.url).pathname,
    },
  );
  assert.match(
    stdout,
    /^\[starkeep sync\] NODE_EXTRA_CA_CERTS cannot be read \(.*path: \/no\/such\/file\.pem/m,
  );
});
