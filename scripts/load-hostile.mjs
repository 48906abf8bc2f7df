// Callers that mean harm, beside the honest ones of `load.mjs`, from an address of their own on the loopback network.
// Each does its worst again and again until its time is over, within what a few hundred connections can do.
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { recordOf } from "../__test__/support/answering.mjs";
import { at } from "../__test__/support/hlc.mjs";

const FROM = "127.0.0.2";
/** The channel that they may write to; what they ask of the others is refused, or costs nothing. */
export const HOSTILE_PREFIX = "/hostile";

const socketTo = (port) => {
  const socket = connect({ port, host: "127.0.0.1", localAddress: FROM });
  // To be cut off is what they are for.
  socket.on("error", () => {});
  return socket;
};

const closed = (socket) => new Promise((resolve) => socket.once("close", resolve));

const HEAD = `POST ${HOSTILE_PREFIX}/sync/exchange HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`;

/** Sends a body, and takes the answer without looking. */
async function post(port, body, more = "") {
  const socket = socketTo(port);
  socket.write(`${HEAD}${more}Connection: close\r\nContent-Length: ${body.length}\r\n\r\n`);
  socket.write(body);
  socket.resume();
  await Promise.race([closed(socket), sleep(5000, undefined, { ref: false })]);
  socket.destroy();
}

let made = 0;
const MB = 1024 * 1024;
const bomb = gzipSync(Buffer.alloc(60 * MB, " "));
const numbers = Buffer.from(`{"watermarks":{},"records":[${"0,".repeat(4 * MB)}0]}`);
const rubbish = Buffer.from(`{"watermarks":{},"x":"${"x".repeat(20 * MB)}"}`);

/** What each of them does, once. */
const KINDS = {
  "heads that do not end": async (port) => {
    const socket = socketTo(port);
    socket.write("GET /health HTTP/1.1\r\nHost: localhost\r\nX: ");
    await Promise.race([closed(socket), sleep(20_000, undefined, { ref: false })]);
    socket.destroy();
  },
  "bodies that drip": async (port) => {
    const socket = socketTo(port);
    socket.write(`${HEAD}Content-Length: ${8 * MB}\r\n\r\n`);
    for (let piece = 0; piece < 20 && !socket.destroyed; piece += 1) {
      socket.write(Buffer.alloc(20_000, " "));
      await sleep(1000);
    }
    socket.destroy();
  },
  "answers that are not taken": async (port) => {
    const session = connectHttp2(`http://127.0.0.1:${port}`, {
      settings: { initialWindowSize: 0 },
      createConnection: () => socketTo(port),
    });
    session.on("error", () => {});
    for (let stream = 0; stream < 60; stream += 1) {
      const request = session.request({ ":path": `${HOSTILE_PREFIX}/files/none` });
      request.on("error", () => {});
      request.end();
    }
    await Promise.race([closed(session), sleep(10_000, undefined, { ref: false })]);
    session.destroy();
  },
  "bodies that unpack": (port) => post(port, bomb, "Content-Encoding: gzip\r\n"),
  "items without end": (port) => post(port, numbers),
  "bodies of rubbish": (port) => post(port, rubbish),
  "node ids that are made up": async (port) => {
    const records = Array.from({ length: 1000 }, () => {
      made += 1;
      return recordOf(`made-${made}`, at(1, `made-up-${made}`));
    });
    await post(port, Buffer.from(JSON.stringify({ watermarks: {}, limit: 1, records })));
  },
  "requests in two readings": async (port) => {
    const socket = socketTo(port);
    socket.write(`${HEAD}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\n\n`);
    socket.resume();
    await Promise.race([closed(socket), sleep(5000, undefined, { ref: false })]);
    socket.destroy();
  },
  "streams of events": async (port) => {
    const socket = socketTo(port);
    socket.write(`GET ${HOSTILE_PREFIX}/events HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await Promise.race([closed(socket), sleep(10_000, undefined, { ref: false })]);
    socket.destroy();
  },
};

/** So many of each at a time; those that send much take their time. */
const AT_ONCE = {
  "heads that do not end": 100,
  "bodies that drip": 30,
  "answers that are not taken": 3,
  "bodies that unpack": 4,
  "items without end": 2,
  "bodies of rubbish": 2,
  "streams of events": 100,
};

/** Does harm until the time is over. Returns how often each was done. */
export async function harass(port, seconds) {
  const until = performance.now() + seconds * 1000;
  const done = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, 0]));
  const again = async (kind) => {
    while (performance.now() < until) {
      await KINDS[kind](port);
      done[kind] += 1;
      await sleep(100);
    }
  };
  const all = Object.keys(KINDS).flatMap((kind) => Array.from({ length: AT_ONCE[kind] ?? 1 }, () => again(kind)));
  await Promise.race([Promise.all(all), sleep(seconds * 1000 + 1000)]);
  return done;
}
