// HTTP to the letter: what two readers could read in two ways is refused, and what is sound passes. And what a request wants
// to be so before a file is written is so.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { FRONTS, SIDES, raw, sideFor } from "./support/answering.mjs";
import { certificateFor } from "./support/certificates.mjs";

const serverOf = (t) =>
  sideFor(t, { front: "server", kind: "native", options: { authorize: () => true } });

const statusesIn = (said) =>
  [...said.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));

const HEAD = "PUT /files/x HTTP/1.1\r\nHost: a\r\n";

/** Requests of which hyper alone takes each, or which it reads in silence in another way than others do. */
const MISFRAMED = {
  "a line of a head that ends in LF": "GET /health HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
  "a request line that ends in LF": "GET /health HTTP/1.1\nHost: a\r\n\r\n",
  "an empty line that is LF": "GET /health HTTP/1.1\r\nHost: a\r\n\n",
  "an empty line of LF before the request": "\nGET /health HTTP/1.1\r\nHost: a\r\n\r\n",
  "a head of LF alone": "GET /health HTTP/1.1\nHost: a\n\n",
  "a length before a coding": `${HEAD}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  "a length behind a coding": `${HEAD}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n`,
  "a length of zero behind a coding": `${HEAD}transfer-encoding: chunked\r\ncontent-length: 0\r\n\r\n0\r\n\r\n`,
  "two lengths": `${HEAD}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc`,
  "a length that is none": `${HEAD}Content-Length: +3\r\n\r\nabc`,
  "the size of a chunk that ends in LF": `${HEAD}Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n`,
  "a chunk that ends in LF": `${HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n`,
  "a trailer that ends in LF": `${HEAD}Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n`,
  "a last line that is LF": `${HEAD}Transfer-Encoding: chunked\r\n\r\n0\r\n\n`,
};

test("what two readers could read in two ways is answered 400, and nothing behind it is", async (t) => {
  const { port } = await serverOf(t);
  for (const [what, text] of Object.entries(MISFRAMED)) {
    for (const pieces of [[text], [...text]]) {
      const said = await raw(port, ...pieces, "GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
      assert.deepEqual(statusesIn(said), [400], `${what}: ${said}`);
    }
    const behind = await raw(port, `GET /health HTTP/1.1\r\nHost: a\r\n\r\n${text}`);
    assert.deepEqual(statusesIn(behind), [200, 400], `${what}, behind another: ${behind}`);
  }
  const there = await fetch(`http://127.0.0.1:${port}/files/x`);
  assert.equal(there.status, 404);
});

test("it is so over TLS too", async (t) => {
  const { cert, key } = certificateFor(["127.0.0.1"]);
  const options = { authorize: () => true, tls: { cert, key } };
  const { port } = await sideFor(t, { front: "server", kind: "native", options });
  for (const [what, text] of Object.entries(MISFRAMED)) {
    const socket = connectTls({ port, host: "127.0.0.1", ca: cert });
    await once(socket, "secureConnect");
    socket.write(`GET /health HTTP/1.1\r\nHost: a\r\n\r\n${text}`);
    const said = Buffer.concat(await socket.toArray()).toString("latin1");
    assert.deepEqual(statusesIn(said), [200, 400], `${what}: ${said}`);
  }
});

/** Requests that are sound, and what each is answered. */
const SOUND = [
  ["GET /health HTTP/1.1\r\nHost: a\r\n\r\n", 200],
  [`${HEAD}Content-Length: 8\r\n\r\n\n\n\r\n\r\n\n\n`, 200],
  ["\r\nGET /files/x HTTP/1.1\r\nHost: a\r\n\r\n", 200],
  [
    `${HEAD}Transfer-Encoding: Chunked\r\n\r\n2;a="b";c\r\n\n\n\r\n3 \t;d\r\n\r\n\n\r\n0\r\n\r\n`,
    200,
  ],
  [
    `${HEAD}Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n1\r\na\r\n00\r\nX: y\r\nContent-Length: 9\r\n\r\n`,
    200,
  ],
  [`${HEAD}Content-Length: \t0 \r\nIf-None-Match: *\r\n\r\n`, 412],
  ["DELETE /files/x HTTP/1.1\r\nHost: a\r\n\r\n", 204],
  ["HEAD /files/x HTTP/1.1\r\nHost: a\r\n\r\n", 404],
];

test("sound requests on one connection are all answered, however their bytes are cut", async (t) => {
  const { port } = await serverOf(t);
  let seed = 1;
  const random = (below) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return (seed >>> 8) % below;
  };
  for (let round = 0; round < 40; round += 1) {
    const chosen = Array.from({ length: 1 + random(8) }, () => random(SOUND.length));
    const text = `${chosen.map((n) => SOUND[n][0]).join("")}GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
    const pieces = [];
    for (let from = 0; from < text.length;) {
      const length = round === 0 ? text.length : 1 + random(30);
      pieces.push(text.slice(from, from + length), () => new Promise(setImmediate));
      from += length;
    }
    const statuses = statusesIn(await raw(port, ...pieces));
    assert.equal(statuses.length, chosen.length + 1, text);
    // Whether the file is there depends on what came before.
    chosen.forEach((n, place) => {
      const [request, usual] = SOUND[n];
      const asks = /^(\r\n)?(GET|HEAD) \/files|If-None-Match/.test(request);
      if (!asks) assert.equal(statuses[place], usual, request);
      else assert.ok([200, 404, 412].includes(statuses[place]), request);
    });
    assert.equal(statuses.at(-1), 200);
  }
});

test("a body with any bytes comes whole over HTTP/2 too", async (t) => {
  const { port } = await serverOf(t);
  const session = connect(`http://127.0.0.1:${port}`);
  t.after(() => session.close());
  const body = Buffer.from("\n\nPRI * HTTP/2.0\r\n\r\n\0\n".repeat(5000));
  const ask = async (headers, sent) => {
    const request = session.request(headers, { endStream: sent === undefined });
    if (sent !== undefined) request.end(sent);
    const [answer] = await once(request, "response");
    return { status: answer[":status"], body: Buffer.concat(await request.toArray()) };
  };
  const put = await ask({ ":path": "/files/x", ":method": "PUT" }, body);
  assert.equal(put.status, 200);
  const got = await ask({ ":path": "/files/x" });
  assert.deepEqual([got.status, got.body.equals(body)], [200, true]);
});

/* What a request wants to be so ------------------------------------------------------------------ */

/** Asks for a file of the side: the status, the ETag, the code of a refusal. */
async function ask(side, method, headers = {}, body = method === "PUT" ? "body" : undefined) {
  const response = await fetch(`${side.url}/files/photos/x`, { method, headers, body });
  const text = await response.text();
  const code = response.status >= 400 && text !== "" ? JSON.parse(text).code : undefined;
  return { status: response.status, etag: response.headers.get("etag"), code, text };
}

const FAILED = { status: 412, code: "PRECONDITION_FAILED" };
const assertFailed = ({ status, code }, what) => assert.deepEqual({ status, code }, FAILED, what);

for (const { front, kind, title } of SIDES) {
  test(`a file is written and deleted only if it is there, or is not, as is wanted: ${title}`, async (t) => {
    const side = await sideFor(t, { front, kind });
    assertFailed(await ask(side, "PUT", { "if-match": "*" }));
    assertFailed(await ask(side, "DELETE", { "if-match": "*" }));
    assert.equal((await ask(side, "GET")).status, 404);
    assert.equal((await ask(side, "PUT", { "if-none-match": "*" }, "first")).status, 200);
    assertFailed(await ask(side, "PUT", { "if-none-match": "*" }, "second"));
    assertFailed(await ask(side, "DELETE", { "if-none-match": "*" }));
    assertFailed(await ask(side, "PUT", { "if-match": '"none"' }, "second"));
    assert.equal((await ask(side, "GET")).text, "first");
    assert.equal((await ask(side, "PUT", { "if-match": "*" }, "second")).status, 200);
    assert.equal((await ask(side, "GET")).text, "second");
    assert.equal((await ask(side, "DELETE", { "if-match": "*" })).status, 204);
    assert.equal((await ask(side, "DELETE", { "if-none-match": "*" })).status, 204);
  });

  test(`what wants something that is no list of entity tags is refused: ${title}`, async (t) => {
    const side = await sideFor(t, { front, kind });
    for (const name of ["if-match", "if-none-match"])
      for (const value of ["x", '"x', '* , "x"', '"x" "y"', "\u00e9", ""]) {
        for (const method of ["PUT", "DELETE"]) {
          const { status, code } = await ask(side, method, { [name]: value });
          assert.deepEqual([status, code], [400, "SYNC_ERROR"], `${method}, ${name}: ${value}`);
        }
      }
    assert.equal((await ask(side, "GET")).status, 404);
  });

  test(`of many that want to be the first to write a file, one is: ${title}`, async (t) => {
    const side = await sideFor(t, { front, kind });
    const puts = Array.from({ length: 20 }, (_, n) =>
      ask(side, "PUT", { "if-none-match": "*" }, `by ${n}`),
    );
    const answers = await Promise.all(puts);
    const winners = answers.flatMap(({ status }, n) => (status === 200 ? [n] : []));
    assert.equal(winners.length, 1);
    answers.filter(({ status }) => status !== 200).forEach((answer) => assertFailed(answer));
    assert.equal((await ask(side, "GET")).text, `by ${winners[0]}`);
  });
}

for (const front of FRONTS) {
  test(`a version is replaced or deleted only while it is the one that is named: ${front}`, async (t) => {
    const side = await sideFor(t, { front, kind: "native" });
    assert.equal((await ask(side, "PUT", {}, "first")).status, 200);
    const first = (await ask(side, "HEAD")).etag;
    assertFailed(await ask(side, "PUT", { "if-match": `W/${first}` }), "compared strongly");
    assertFailed(await ask(side, "PUT", { "if-none-match": `"other", W/${first}` }));
    const puts = Array.from({ length: 10 }, (_, n) =>
      ask(side, "PUT", { "if-match": `"other", ${first}` }, `by ${n}`),
    );
    const statuses = (await Promise.all(puts)).map(({ status }) => status).sort();
    assert.deepEqual(statuses, [200, ...Array.from({ length: 9 }, () => 412)]);
    assertFailed(await ask(side, "DELETE", { "if-match": first }));
    const { etag } = await ask(side, "HEAD");
    assert.equal((await ask(side, "DELETE", { "if-match": etag })).status, 204);
    assertFailed(await ask(side, "PUT", { "if-match": etag }));
  });

  test(`a body that comes slowly keeps no other waiting, and is weighed again at its end: ${front}`, async (t) => {
    const side = await sideFor(t, { front, kind: "native" });
    let send;
    const sent = new Promise((resolve) => (send = resolve));
    async function* slowly() {
      yield Buffer.from("slow");
      await sent;
      yield Buffer.from("ly");
    }
    const late = fetch(`${side.url}/files/photos/x`, {
      method: "PUT",
      headers: { "if-none-match": "*" },
      body: slowly(),
      duplex: "half",
    });
    assert.equal((await ask(side, "PUT", { "if-none-match": "*" }, "at once")).status, 200);
    send();
    assert.equal((await late).status, 412);
    assert.equal((await ask(side, "GET")).text, "at once");
  });
}
