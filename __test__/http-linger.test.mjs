// A caller that still sends when it is refused hears why: the end of the connection does not take the answer along.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { sideFor } from "./support/answering.mjs";
import { certificateFor } from "./support/certificates.mjs";

const TIMES = 50;
const PIECE = Buffer.alloc(16 * 1024, "x");
const PIECES = 40;
const LENGTH = PIECE.length * PIECES;

const PUT = `PUT /files/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${LENGTH}\r\n`;

/** Heads that are answered at once, each followed by more bytes, and what each is answered. */
const REFUSED = {
  "a line of a head that ends in LF": ["GET /health HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400],
  "two lengths": [`${PUT}Content-Length: 1\r\n\r\n`, 400],
  "two hosts and no body": ["GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400],
  "a chunk that ends in LF": [
    "PUT /files/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\n",
    400,
  ],
  "no credentials": [`${PUT}X-Denied: 1\r\n\r\n`, 401],
  "no credentials, and a body that is not waited for": [
    `${PUT}X-Denied: 1\r\nExpect: 100-continue\r\n\r\n`,
    401,
  ],
  "a file that is too large": [`${PUT}\r\n`, 413],
  "a file that is too large, and a body that is not waited for": [
    `${PUT}Expect: 100-continue\r\n\r\n`,
    413,
  ],
};

/** A hello of TLS with nothing in it, and what an alert begins with. */
const EMPTY_HELLO = Buffer.from("160301000401000000", "hex");
const ALERT = 21;

const OPTIONS = {
  authorize: ({ headers }) => headers["x-denied"] === undefined,
  maxFileBytes: 1000,
};

/** Sends a head and then piece after piece until the other end is done; what it said, and what went wrong. */
async function sendOn(socket, head) {
  const said = [];
  let isOver = false;
  let fault = null;
  socket.on("data", (piece) => said.push(piece));
  socket.on("error", (error) => (fault = error.code));
  socket.on("end", () => (isOver = true));
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.write(head);
  for (let sent = 0; sent < PIECES && !isOver && fault === null; sent += 1) {
    socket.write(PIECE);
    await new Promise(setImmediate);
  }
  socket.end();
  await closed;
  return { said: Buffer.concat(said).toString("latin1"), fault };
}

async function assertHeard(open, what, [head, status]) {
  for (let time = 1; time <= TIMES; time += 1) {
    const { said, fault } = await sendOn(await open(), head);
    const heard = /^HTTP\/1\.1 (\d+) /.exec(said)?.[1];
    assert.deepEqual([heard, fault], [String(status), null], `${what}, time ${time}`);
  }
}

async function openPlain(port) {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  await once(socket, "connect");
  return socket;
}

test("a caller that goes on sending hears its refusal", async (t) => {
  const { port } = await sideFor(t, { front: "server", kind: "native", options: OPTIONS });
  for (const [what, refused] of Object.entries(REFUSED))
    await assertHeard(() => openPlain(port), what, refused);
});

test("it does so over TLS too", async (t) => {
  const { cert, key } = certificateFor(["127.0.0.1"]);
  const options = { ...OPTIONS, tls: { cert, key } };
  const { port } = await sideFor(t, { front: "server", kind: "native", options });
  const openTls = async () => {
    const socket = connectTls({ port, host: "127.0.0.1", ca: cert, allowHalfOpen: true });
    await once(socket, "secureConnect");
    return socket;
  };
  for (const [what, refused] of Object.entries(REFUSED)) await assertHeard(openTls, what, refused);
  const plain = ["PUT /files/x HTTP/1.1\r\nHost: a\r\n\r\n", 400];
  await assertHeard(() => openPlain(port), "plain HTTP", plain);
  for (let time = 1; time <= TIMES; time += 1) {
    const { said, fault } = await sendOn(await openPlain(port), EMPTY_HELLO);
    assert.deepEqual(
      [said.charCodeAt(0), fault],
      [ALERT, null],
      `an empty hello of TLS, time ${time}`,
    );
  }
});

test(
  "a caller that never ends is closed nevertheless, however it sends",
  { timeout: 30_000 },
  async (t) => {
    const { port } = await sideFor(t, { front: "server", kind: "native", options: OPTIONS });
    const [head] = REFUSED["a line of a head that ends in LF"];
    for (const piece of [Buffer.from("x"), PIECE]) {
      const socket = await openPlain(port);
      socket.on("error", () => {});
      socket.resume();
      const closed = once(socket, "close").catch(() => {});
      socket.write(head);
      const sending = setInterval(() => socket.write(piece), 5);
      t.after(() => clearInterval(sending));
      await closed;
      clearInterval(sending);
    }
    assert.equal((await fetch(`http://127.0.0.1:${port}/health`)).status, 200);
  },
);
