// Answers peers.
import { createHash, timingSafeEqual } from "node:crypto";
import sync from "./package.mjs";
import { EXIT, plain, usage } from "./errors.mjs";
import { isLoopback, readToken } from "./peer.mjs";
import { withPlace } from "./place.mjs";

const LEAST_TOKEN = 16;

// Hashes have one length, and comparing them takes one time, whatever was sent.
const hashOf = (text) => createHash("sha256").update(text).digest();

/** @param {import("./main.mjs").Call} call */
export async function run(call) {
  const guards = await guardsOf(call);
  return withPlace(call, async (place) => {
    const { values, output, signal } = call;
    const { database, objects, clock, nodeId, folder } = place;
    const stores = { databaseAdapter: database, objectStorageAdapter: objects, clock };
    const logged = values.debug ? {} : { logger: loggerOf(call.warn), logLevel: "warn" };
    const server = sync.createHttpSyncServer({
      ...stores,
      ...guards,
      ...logged,
      statusPage: "loopback",
    });
    const say = (event) => values.json && output.json({ ...event, at: new Date().toISOString() });
    server.onExchange(({ channel: _, ...arrived }) => say({ event: "exchange", ...arrived }));
    const { address, family, port } = await server.listen(values.port, values.host);
    const host = family === "IPv6" ? `[${address}]` : address;
    const url = `${guards.tls === undefined ? "http" : "https"}://${host}:${port}`;
    if (values.json) await say({ event: "start", url, nodeId, place: folder });
    else await output.line(`${url} serves ${plain(folder)} as ${nodeId}`);
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
    if (server.stats().requestsInWork > 0)
      console.error("starkeep-sync: waiting for what runs; a second signal ends it at once");
    await server.close();
    await say({ event: "stop" });
    return EXIT.done;
  });
}

/** A caller is told that the log says why. A warning has its cause behind it, and is not said again within an hour. */
function loggerOf(warn) {
  const nothing = () => {};
  return { debug: nothing, info: nothing, warn, error: warn };
}

/** What keeps others out: nothing on this machine, a token elsewhere. */
async function guardsOf(call) {
  const { host, tlsCert: cert, tlsKey: key } = call.values;
  if ((cert === undefined) !== (key === undefined))
    throw usage(
      `serve needs both --tls-cert and --tls-key, got only --tls-${cert === undefined ? "key" : "cert"}`,
    );
  const tls = cert === undefined ? {} : { tls: { cert, key } };
  const token = await readToken(call);
  if (token === undefined) {
    if (isLoopback(host)) return tls;
    throw usage(
      `serve at ${plain(host)} needs a token, as all that reach it could read and write: write one of ` +
        `${LEAST_TOKEN} characters or more into a file (openssl rand -hex 32 > token), name it with --token-file here ` +
        "and at the peers, or leave --host at 127.0.0.1",
    );
  }
  if (token.length < LEAST_TOKEN)
    throw usage(
      `the token must have at least ${LEAST_TOKEN} characters, got ${token.length}: openssl rand -hex 32 makes one`,
    );
  if (cert === undefined && !isLoopback(host))
    call.warn(
      "without --tls-cert and --tls-key, or TLS in front of it, all on the way can read the token and the files",
    );
  const expected = hashOf(`Bearer ${token}`);
  return {
    ...tls,
    authorize: ({ headers }) => timingSafeEqual(hashOf(headers.authorization ?? ""), expected),
  };
}
