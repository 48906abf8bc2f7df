// The stores in PostgreSQL within TLS: a server whose certificate is of an authority that this process trusts, and others.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { certificateFor } from "./support/certificates.mjs";
import { at } from "./support/hlc.mjs";
import { record } from "./support/memory.mjs";
import { folderFor } from "./support/native.mjs";
import { needsPostgres, startPostgres } from "./support/postgres.mjs";

const folder = folderFor({ after: (end) => process.on("exit", end) });
const authority = certificateFor([], { isAuthority: true });
// The stores read it with the first connection of this process, which comes later.
process.env.NODE_EXTRA_CA_CERTS = join(folder, "trusted.pem");
writeFileSync(process.env.NODE_EXTRA_CA_CERTS, authority.cert);

let shown = 0;

/** The url of a server that shows this certificate, and takes no connection without TLS. */
async function serverOf(t, { cert, key }) {
  const place = join(folder, `${(shown += 1)}`);
  mkdirSync(place);
  writeFileSync(join(place, "server.crt"), cert);
  writeFileSync(join(place, "server.key"), key);
  const server = await startPostgres([`tls=${place}`, "hba=hostnossl all all 127.0.0.1/32 reject"]);
  t.after(() => server.end());
  return server.url;
}

function storeOf(t, connectionString, tls) {
  const store = sync.createPostgresDatabaseAdapter({ connectionString, tls });
  t.after(() => store.close());
  return store;
}

test(
  "records go within TLS to a server whose certificate is of a trusted authority, and not without it",
  needsPostgres,
  async (t) => {
    const url = await serverOf(t, certificateFor(["127.0.0.1"], { issuer: authority }));
    const store = storeOf(t, url, true);
    await store.put(record("a", at(1, "n")));
    assert.equal((await store.get("a")).id, "a");
    assert.equal(await store.healthCheck(), true);
    const plain = { code: "DATABASE_ERROR", peerCode: "28000" };
    await assert.rejects(storeOf(t, url, false).get("a"), plain);
  },
);

test(
  "a certificate of another name, or of an unknown authority, is refused",
  needsPostgres,
  async (t) => {
    const unknown = certificateFor([], { isAuthority: true });
    for (const [names, issuer] of [
      [["db.example"], authority],
      [["127.0.0.1"], unknown],
    ]) {
      const url = await serverOf(t, certificateFor(names, { issuer }));
      const refused = { code: "DATABASE_ERROR", reason: "tls" };
      await assert.rejects(storeOf(t, url, true).get("a"), refused);
    }
  },
);
