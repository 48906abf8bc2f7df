// Makes docs/status-page.png: the status page of a server with which a laptop and a phone have exchanged for some minutes.
//
//   npm run setup && node scripts/status-page.mjs [MINUTES] [FILE]
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as sync from "../index.mjs";
import { recordOf } from "../__test__/support/answering.mjs";
import { startBrowser } from "../__test__/support/chromium.mjs";
import { smallPng } from "./small-png.mjs";

const [minutes = "10", file = "docs/status-page.png"] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "status-page-"));
const ends = [() => rmSync(folder, { recursive: true, force: true })];

function storesOf(name, clockOptions = {}) {
  const databaseAdapter = sync.createSqliteDatabaseAdapter({ path: join(folder, `${name}.db`) });
  ends.unshift(() => databaseAdapter.close());
  return {
    databaseAdapter,
    objectStorageAdapter: sync.createFsObjectStorage({ root: join(folder, name) }),
    clock: sync.createHLCClock({ nodeId: name, ...clockOptions }),
  };
}

function deviceOf(name, baseUrl, clockOptions) {
  const { databaseAdapter, objectStorageAdapter, clock } = storesOf(name, clockOptions);
  const syncState = sync.createSqliteSyncStateStore({ path: join(folder, `${name}.db`) });
  ends.unshift(() => syncState.close());
  const engine = sync.createSyncEngine({
    localDatabaseAdapter: databaseAdapter,
    localObjectStorage: objectStorageAdapter,
    remoteObjectStorage: sync.createHttpObjectStorage({ baseUrl }),
    transport: sync.createHttpSyncTransport({ baseUrl }),
    clock,
    syncState,
  });
  let written = 0;
  return {
    engine,
    async write(bytes) {
      written += 1;
      const key = `${name}/${written}`;
      await objectStorageAdapter.put(key, Buffer.alloc(bytes, written));
      const fields = { objectStorageKey: key, sizeBytes: bytes, ownerId: "ada" };
      await databaseAdapter.put(recordOf(`${name}-${written}`, clock.now(), fields));
    },
  };
}

const server = sync.createHttpSyncServer({
  channels: { "/": storesOf("cloud"), "/apps/photos": storesOf("photos") },
  statusPage: "loopback",
});
ends.unshift(() => server.close());
const { port } = await server.listen();
const url = `http://127.0.0.1:${port}`;
const laptop = deviceOf("laptop", url);
const phone = deviceOf("phone", url);
const camera = deviceOf("camera", `${url}/apps/photos`);
// Its clock is two days ahead: what it writes is refused.
const tablet = deviceOf("tablet", url, { wallClockFunction: () => Date.now() + 2 * 24 * 3600 * 1000 });

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
await tablet.write(100);
await tablet.engine.exchange().catch(() => {});
const end = Date.now() + Number(minutes) * 60_000;
for (let n = 0; n === 0 || Date.now() < end; n += 1) {
  await laptop.write(20_000 + ((n * 7919) % 90) * 1000);
  if (n % 3 === 1) await phone.write(30_000);
  if (n % 4 === 2) await camera.write(250_000);
  for (const { engine } of [laptop, phone, camera]) await engine.exchange();
  await pause(Math.min(10_000, Math.max(0, end - Date.now())));
}

const browser = await startBrowser({ after: (end) => ends.unshift(end) });
const page = await browser.open(url, { width: 1000, height: 1100 });
await page.until(`document.querySelector("#nodes tbody tr") !== null`);
const picture = smallPng(await page.screenshot());
writeFileSync(file, picture);
console.log(`${file}: ${picture.length} bytes; ${page.faults.length} faults ${page.faults}`);
for (const end of ends) await end();
