// A server that speaks TLS itself, and a client that speaks it to any.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { renameSync, writeFileSync } from "node:fs";
import { connect as connectHttp2, createSecureServer } from "node:http2";
import { Agent, createServer as createSecureNodeServer, request } from "node:https";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import * as sync from "@starkeep/sync-engine";
import { closeOf, raw, storesFor } from "./support/answering.mjs";
import { certificateFor } from "./support/certificates.mjs";
import { NOTHING, peerAt, rawPeerAt } from "./support/http-peers.mjs";
import { folderFor, warningsOf } from "./support/native.mjs";

const HERE = ["localhost", "127.0.0.1"];
const ASKED = { watermarks: {}, records: [] };
const DEVICE = fileURLToPath(new URL("support/tls-device.mjs", import.meta.url));

const authority = certificateFor([], { isAuthority: true });
const good = certificateFor(HERE, { issuer: authority });
const { cert, key } = good;
// The native client reads it with the first request of this process, which comes later.
const trusted = join(folderFor({ after: (end) => process.on("exit", end) }), "trusted.pem");
writeFileSync(trusted, authority.cert);
process.env.NODE_EXTRA_CA_CERTS = trusted;

/** A server over native stores that speaks TLS. */
async function serverOf(t, { cert, key } = good, options = {}) {
  const stores = storesFor(t, "native");
  const server = sync.createHttpSyncServer({ ...stores, tls: { cert, key }, ...options });
  const { port } = await server.listen();
  t.after(() => server.close());
  return { ...stores, server, port, url: `https://127.0.0.1:${port}` };
}

/** A file of the test with this text; it is there all at once. */
function fileWith(folder, name, text) {
  const path = join(folder, name);
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
  return path;
}

/** Runs a device in a process of its own, which trusts `cert` besides those of the system. */
async function device(t, baseUrl, { cert = authority.cert, how = "native" } = {}) {
  const folder = folderFor(t);
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: fileWith(folder, "extra.pem", cert) };
  const { stdout } = await promisify(execFile)(process.execPath, [DEVICE, folder, baseUrl, how], {
    env,
  });
  return JSON.parse(stdout);
}

/** A connection over which TLS was agreed on. */
async function handshake(t, port, options = {}) {
  const socket = connectTls({ port, host: "127.0.0.1", ca: authority.cert, ...options });
  t.after(() => socket.destroy());
  await once(socket, "secureConnect");
  return socket;
}

/** The serial number of the certificate that a new connection is shown. */
async function shownAt(t, port) {
  const socket = await handshake(t, port, { rejectUnauthorized: false });
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

async function askedOver(agent, port, path = "/health") {
  const asking = request({ agent, port, host: "127.0.0.1", path });
  asking.end();
  const [answer] = await once(asking, "response");
  const socket = answer.socket;
  answer.resume();
  await once(answer, "end");
  return { status: answer.statusCode, serialNumber: socket.getPeerCertificate().serialNumber };
}

test("records and objects go over TLS, by the native client and by the fetch of Node.js", async (t) => {
  const { url, objectStorageAdapter } = await serverOf(t);
  assert.deepEqual(await device(t, url), { held: { native: "nativenati" } });
  const both = { held: { native: "nativenati", fetch: "fetchfetch" } };
  assert.deepEqual(await device(t, url, { how: "fetch" }), both);
  assert.deepEqual((await objectStorageAdapter.list("")).keys.sort(), [
    "from-fetch",
    "from-native",
  ]);
});

test("HTTP/2 is agreed on where both speak it, and HTTP/1.1 where it is asked for, or nothing is", async (t) => {
  const { port, url } = await serverOf(t);
  const agreed = async (ALPNProtocols) =>
    (await handshake(t, port, { ALPNProtocols })).alpnProtocol;
  assert.equal(await agreed(["http/1.1", "h2"]), "h2");
  assert.equal(await agreed(["http/1.1"]), "http/1.1");
  assert.equal(await agreed(undefined), false);
  const older = await handshake(t, port, { maxVersion: "TLSv1.2" });
  assert.equal(older.getProtocol(), "TLSv1.2");
  assert.equal((await askedOver(new Agent({ ca: authority.cert }), port)).status, 200);

  const session = connectHttp2(url, { ca: authority.cert });
  t.after(() => session.destroy());
  const statusOf = async (body) => {
    const stream = session.request({
      ":method": "POST",
      ":path": "/sync/exchange",
      "content-type": "application/json",
    });
    stream.end(body);
    const [headers] = await once(stream, "response");
    stream.resume();
    return headers[":status"];
  };
  assert.equal(await statusOf(JSON.stringify(ASKED)), 200);
  assert.equal(await statusOf("no JSON"), 400);
  assert.equal(session.alpnProtocol, "h2");
});

test("the native client speaks HTTP/2 to a server that offers it, and HTTP/1.1 to one that does not", async (t) => {
  for (const [create, version] of [
    [createSecureServer, "2.0"],
    [createSecureNodeServer, "1.1"],
  ]) {
    const seen = [];
    const server = create(good, (req, res) => {
      seen.push(req.httpVersion);
      req.resume();
      req.on("end", () => {
        res.writeHead(200, { "content-type": "application/json" });
        res.end(JSON.stringify(NOTHING));
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => server.close());
    const baseUrl = `https://127.0.0.1:${server.address().port}`;
    await sync.createHttpSyncTransport({ baseUrl }).exchange(ASKED);
    assert.deepEqual(seen, [version]);
  }
});

test("changed files are shown to new connections, and old ones go on", async (t) => {
  const folder = folderFor(t);
  const [old, renewed] = [good, certificateFor(HERE, { issuer: authority })];
  const files = {
    cert: fileWith(folder, "cert.pem", old.cert),
    key: fileWith(folder, "key.pem", old.key),
  };
  const { port } = await serverOf(t, files);
  const agent = new Agent({ ca: authority.cert, keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const before = await askedOver(agent, port);

  fileWith(folder, "cert.pem", renewed.cert);
  fileWith(folder, "key.pem", renewed.key);
  while ((await shownAt(t, port)) === before.serialNumber) await sleep(50);
  assert.deepEqual(await askedOver(agent, port), before);
  const other = new Agent({ ca: authority.cert });
  assert.notEqual((await askedOver(other, port)).serialNumber, before.serialNumber);
});

test("a file that is broken leaves the old certificate in force, is warned of once, and may be mended", async (t) => {
  const folder = folderFor(t);
  const files = { cert: fileWith(folder, "cert.pem", cert), key: fileWith(folder, "key.pem", key) };
  const { port } = await serverOf(t, files);
  const before = await shownAt(t, port);
  const said = await warningsOf(t, async () => {
    fileWith(folder, "cert.pem", "nothing of use");
    // Files are looked at once a second.
    for (let round = 0; round < 7; round += 1) {
      assert.equal(await shownAt(t, port), before);
      await sleep(500);
    }
  });
  assert.equal(said.length, 1, said.join("\n"));
  assert.match(said[0], /goes on with the certificate that it has/);
  assert.match(said[0], /tls\.cert must be a PEM certificate chain/);

  const renewed = certificateFor(HERE, { issuer: authority });
  fileWith(folder, "key.pem", renewed.key);
  fileWith(folder, "cert.pem", renewed.cert);
  while ((await shownAt(t, port)) === before) await sleep(50);
});

test("texts, bytes and paths are taken, in any pair", async (t) => {
  const folder = folderFor(t);
  const file = fileWith(folder, "key.pem", `Bag Attributes\n${good.key}`);
  for (const pair of [
    { cert: Buffer.from(good.cert), key: new Uint8Array(Buffer.from(good.key)) },
    { cert: `a comment\n${good.cert}${authority.cert}`, key: file },
  ]) {
    const { port } = await serverOf(t, pair);
    await handshake(t, port);
  }
});

test("what is no certificate with its key is refused by listen, and the words say what to do", async (t) => {
  const folder = folderFor(t);
  const other = certificateFor(HERE);
  const locked = other.privateKey.export({
    type: "pkcs8",
    format: "pem",
    cipher: "aes-256-cbc",
    passphrase: "secret",
  });
  const broken = good.cert.replace(/\n[A-Za-z0-9+/]{8}/, "\nAAAAAAAA");
  const refusals = [
    [{ key: other.key }, /tls\.key must be the key of the first certificate in tls\.cert/],
    [{ cert: good.key }, /tls\.cert must be a PEM certificate chain, .*without a certificate/],
    [{ cert: broken }, /tls\.cert must be a PEM certificate chain/],
    [{ cert: Buffer.from("cert.pem") }, /tls\.cert must be a PEM certificate chain/],
    [{ key: good.cert }, /tls\.key must be a PEM private key, got none/],
    [{ key: locked }, /tls\.key must be a PEM private key without a passphrase/],
    [
      { key: join(folder, "none.pem") },
      /tls\.key must be a file .*none\.pem: .*; check its path and its rights/,
      "IO_ERROR",
    ],
  ];
  for (const [wrong, message, code = "INVALID_ARGUMENT"] of refusals) {
    const tls = { cert, key, ...wrong };
    const server = sync.createHttpSyncServer({ ...storesFor(t, "native"), tls });
    await assert.rejects(server.listen(), { code, message });
    assert.equal(server.address(), null);
  }
});

test("options of TLS that are of no use are refused at once, and no key is shown", (t) => {
  const stores = storesFor(t, "native");
  const refusals = [
    [true, /\(tls\): must be \{ cert, key \}, got a? ?true/],
    [{ cert }, /\(tls\)\(key\): must be a PEM text, its bytes, or the path/],
    [{ cert, key: 1 }, /\(tls\)\(key\): must be a PEM text/],
    [{ cert: "", key }, /\(tls\)\(cert\): must be a PEM text/],
    [{ cert, key, keys: "" }, /unknown option `keys`; did you mean `key`/],
  ];
  for (const [tls, message] of refusals) {
    assert.throws(
      () => sync.createHttpSyncServer({ ...stores, tls }),
      (error) => {
        assert.equal(error.code, "INVALID_ARGUMENT");
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /PRIVATE|BEGIN/);
        return true;
      },
    );
  }
});

test("a certificate that has expired, is for another name, or by no one known is refused by the client", async (t) => {
  const expired = certificateFor(HERE, { days: 0.5 });
  const named = certificateFor(["sync.example"]);
  const ended = certificateFor(HERE, { days: 0.5, isAuthority: true });
  const unknown = certificateFor(HERE);
  for (const [shown, extra, words] of [
    [expired, expired, /expired/],
    [ended, ended, /expired/],
    [named, named, /not valid for name|sync\.example/],
    [certificateFor(HERE, { issuer: authority, days: 0.5 }), authority, /expired/],
    [certificateFor(["sync.example"], { issuer: authority }), authority, /not valid for name/],
    [unknown, authority, /UnknownIssuer/],
  ]) {
    const { url } = await serverOf(t, shown);
    const { reason, message } = await device(t, url, { cert: extra.cert });
    assert.equal(reason, "tls");
    assert.match(message, words);
    assert.match(message, /check its certificate/);
  }
});

test("a certificate that is itself in the file of NODE_EXTRA_CA_CERTS is trusted", async (t) => {
  for (const shown of [
    certificateFor(HERE),
    certificateFor(HERE, { isAuthority: true }),
    certificateFor(HERE, { issuer: authority }),
  ]) {
    const { url } = await serverOf(t, shown);
    assert.deepEqual(await device(t, url, { cert: shown.cert }), {
      held: { native: "nativenati" },
    });
  }
});

test("that one end speaks TLS and the other does not is said in words at both", async (t) => {
  const { port } = await serverOf(t);
  const plain = sync.createHttpSyncServer(storesFor(t, "native"));
  const { port: plainPort } = await plain.listen();
  t.after(() => plain.close());
  const node = await peerAt(t, (_, res) => res.end());
  const closing = await rawPeerAt(t, "");
  const secure = createSecureNodeServer(good);
  secure.listen(0, "127.0.0.1");
  await once(secure, "listening");
  t.after(() => secure.close());
  const noTls = { reason: "tls", retryable: false, message: /does not speak TLS: use http:/ };
  for (const [scheme, at, said] of [
    ["http", port, { status: 400, message: /this port speaks TLS: use https:/ }],
    ["http", secure.address().port, { message: /use https:\/\/ if that port speaks TLS/ }],
    ["https", plainPort, noTls],
    ["https", node.port, noTls],
    ["https", closing.port, { message: /check that the port of baseUrl speaks TLS/ }],
  ]) {
    const baseUrl = `${scheme}://127.0.0.1:${at}`;
    await assert.rejects(sync.createHttpSyncTransport({ baseUrl }).exchange(ASKED), said);
  }
  const told = await raw(port, "GET /files/x HTTP/1.1\r\nHost: localhost\r\n\r\n");
  assert.match(told, /^HTTP\/1\.1 400 [^]*this port speaks TLS: use https:/);
});

test("a handshake that does not come to its end is cut off and keeps no other out", async (t) => {
  // The third handshake has to end within it, also on a busy machine.
  const options = { headerTimeoutMs: 1000, maxConnections: 2, maxConnectionsPerAddress: 3 };
  const { port } = await serverOf(t, good, options);
  const ends = [];
  for (const bytes of ["", "\x16\x03\x01"]) {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    ends.push(once(socket.resume(), "close"));
    await once(socket, "connect");
    socket.write(bytes, "latin1");
  }
  assert.equal((await askedOver(new Agent({ ca: authority.cert }), port)).status, 200);
  await Promise.all(ends);
});

test("an answer that is not taken over TLS is let go of", async (t) => {
  const { port, objectStorageAdapter } = await serverOf(t, good, {
    idleTimeoutMs: 300,
    maxRequests: 1,
  });
  await objectStorageAdapter.put("large", Buffer.alloc(20_000_000));
  const socket = await handshake(t, port);
  socket.on("error", () => {});
  socket.pause();
  socket.write("GET /files/large HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const agent = new Agent({ ca: authority.cert });
  for (const status of [503, 404])
    while ((await askedOver(agent, port, "/files/none")).status !== status) await sleep(20);
});

test("closing waits for no handshake", async (t) => {
  const { port, server } = await serverOf(t, good, { closeTimeoutMs: 1_000_000 });
  const half = connect(port, "127.0.0.1");
  half.on("error", () => {});
  half.resume();
  await once(half, "connect");
  await Promise.all([closeOf(half), server.close()]);
});
