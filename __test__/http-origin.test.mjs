// What a server refuses for where a request comes from, and for how it is framed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { raw, sideFor } from "./support/answering.mjs";

const serverOf = (t, options) => sideFor(t, { front: "server", kind: "native", options });

const ask = (port, ...lines) => raw(port, `${lines.join("\r\n")}\r\nConnection: close\r\n\r\n`);
const ANY = '{"watermarks":{}}';
const exchangeWith = (port, ...headers) =>
  raw(
    port,
    ["POST /sync/exchange HTTP/1.1", ...headers, `Content-Length: ${ANY.length}`].join("\r\n"),
    `\r\nConnection: close\r\n\r\n${ANY}`,
  );

test("a page of elsewhere, and a name of elsewhere, use no server that nobody guards", async (t) => {
  const { port } = await serverOf(t, { allowedHosts: ["sync.home", "page.home:8443"] });
  const status = async (...headers) => (await exchangeWith(port, ...headers)).slice(9, 12);
  const json = "Content-Type: application/json";
  for (const host of ["127.0.0.1", `localhost:${port}`, "[::1]:1", "sync.home", "SYNC.HOME:80"])
    assert.equal(await status(`Host: ${host}`, json), "200", host);
  for (const host of ["evil.example", "127.0.0.1.evil.example", "page.home"])
    assert.equal(await status(`Host: ${host}`, json), "403", host);
  const host = `Host: 127.0.0.1:${port}`;
  for (const origin of [`http://127.0.0.1:${port}`, "http://sync.home", "https://page.home:8443"])
    assert.equal(await status(host, `Origin: ${origin}`, json), "200", origin);
  for (const origin of ["http://evil.example", "null", "http://127.0.0.1:1", "https://page.home"])
    assert.equal(await status(host, `Origin: ${origin}`, json), "403", origin);
  for (const type of ["text/plain;charset=UTF-8", "application/x-www-form-urlencoded"])
    assert.equal(await status(host, `Content-Type: ${type}`), "415", type);
  const put = await ask(port, "DELETE /files/x HTTP/1.1", host, "Origin: http://evil.example");
  assert.match(put, /^HTTP\/1\.1 403 /);
});

test("whoever decides about callers decides about their names and types too", async (t) => {
  const { port } = await serverOf(t, { authorize: () => true });
  const said = await exchangeWith(
    port,
    "Host: anything.example",
    "Origin: http://page.example",
    "Content-Type: text/plain",
  );
  assert.match(said, /^HTTP\/1\.1 200 /);
});

test("a request that two readers could read in two ways is refused, and its connection closed", async (t) => {
  const { port } = await serverOf(t, { authorize: () => true });
  const misframed = {
    "no Host": ["GET /files/x HTTP/1.1"],
    "two hosts": ["GET /files/x HTTP/1.1", "Host: a", "Host: a"],
    "another coding": ["PUT /files/x HTTP/1.1", "Host: a", "Transfer-Encoding: gzip, chunked"],
    "two codings": [
      "PUT /files/x HTTP/1.1",
      "Host: a",
      "Transfer-Encoding: chunked",
      "Transfer-Encoding: chunked",
    ],
  };
  for (const [what, lines] of Object.entries(misframed)) {
    const said = await raw(port, `${lines.join("\r\n")}\r\n\r\n0\r\n\r\nGET /health HTTP/1.1\r\n`);
    assert.match(said, /^HTTP\/1\.1 400 /, what);
    assert.equal(said.match(/HTTP\/1\.1 /g).length, 1, what);
  }
});
