// One table of requests, against the handler and the server, over adapters and over native stores.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { at } from "./support/hlc.mjs";
import { SIDES, exchange, raw, recordOf, sideFor } from "./support/answering.mjs";

const file = (side, key, options) => fetch(`${side.url}/files/${encodeURIComponent(key)}`, options);
const bytesOf = async (response) => Buffer.from(await response.arrayBuffer());

for (const { front, kind, title } of SIDES) {
  const open = (t, options) => sideFor(t, { front, kind, options });

  describe(title, () => {
    test("an exchange takes in records, and answers those that the caller lacks", async (t) => {
      const side = await open(t);
      const mine = recordOf("r1", at(1, "a"), { extra: { deep: [1, null] } });
      const first = await exchange(side, { watermarks: {}, records: [mine] });
      assert.equal(first.status, 200);
      assert.equal(first.headers.get("content-type"), "application/json");
      assert.deepEqual(await side.databaseAdapter.get("r1"), mine);
      assert.deepEqual(first.json.responderWatermarks, { a: at(1, "a") });

      const second = await exchange(side, { watermarks: {}, limit: 5 });
      assert.deepEqual(second.json.records, [mine]);
      assert.deepEqual(second.json.appSyncableRows, []);
      assert.equal(second.json.hasMore, false);
      const third = await exchange(side, { watermarks: { a: at(1, "a") } });
      assert.deepEqual(third.json.records, []);
    });

    test("a page has as many items as asked for, and says that there are more", async (t) => {
      const side = await open(t);
      const records = [3, 1, 2].map((n) => recordOf(`r${n}`, at(n, "a")));
      await exchange(side, { watermarks: {}, records });
      const page = await exchange(side, { watermarks: {}, limit: 2 });
      assert.deepEqual(
        page.json.records.map(({ id }) => id),
        ["r1", "r2"],
      );
      assert.equal(page.json.hasMore, true);
    });

    test("bodies are packed both ways", async (t) => {
      const side = await open(t);
      const records = Array.from({ length: 50 }, (_, n) => recordOf(`r${n}`, at(n, "a")));
      const packed = gzipSync(JSON.stringify({ watermarks: {}, records }));
      const sent = await exchange(side, packed, { headers: { "content-encoding": "gzip" } });
      assert.equal(sent.status, 200);
      assert.equal(sent.headers.get("accept-encoding"), "gzip");
      assert.equal((await side.databaseAdapter.query({})).records.length, 50);

      const ask = JSON.stringify({ watermarks: {} });
      const head = `POST /sync/exchange HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: ${ask.length}\r\n`;
      const [plain, small] = [
        await raw(side.port, `${head}\r\n${ask}`),
        await raw(side.port, `${head}Accept-Encoding: gzip\r\n\r\n${ask}`),
      ];
      assert.doesNotMatch(plain, /content-encoding/i);
      assert.match(small, /content-encoding: gzip/i);
      const body = small.slice(small.indexOf("\r\n\r\n") + 4);
      const answer = JSON.parse(gunzipSync(Buffer.from(body, "latin1")));
      assert.equal(answer.records.length, 50);
      assert.ok(small.length < plain.length / 3);
    });

    test("a file is stored, described, sent and deleted", async (t) => {
      const side = await open(t);
      const data = randomBytes(700_000);
      const key = "photos/1/é x.jpg";
      assert.equal((await file(side, key, { method: "HEAD" })).status, 404);
      assert.equal((await file(side, key)).status, 404);
      const headers = { "content-type": "image/jpeg" };
      const put = await file(side, key, { method: "PUT", body: data, headers });
      assert.equal(put.status, 200);
      const stored = await side.objectStorageAdapter.get(key);
      assert.deepEqual(Buffer.from(stored.data), data);
      assert.equal(stored.contentType, "image/jpeg");
      assert.equal((await file(side, key, { method: "HEAD" })).status, 200);
      const got = await file(side, key);
      assert.equal(got.status, 200);
      assert.equal(got.headers.get("content-type"), "image/jpeg");
      assert.equal(got.headers.get("content-length"), "700000");
      assert.deepEqual(await bytesOf(got), data);
      const slashes = await fetch(`${side.url}/files/photos/1/%C3%A9%20x.jpg?v=1`);
      assert.deepEqual(await bytesOf(slashes), data);
      assert.equal((await file(side, key, { method: "DELETE" })).status, 204);
      assert.equal(await side.objectStorageAdapter.has(key), false);
      assert.equal((await file(side, key, { method: "DELETE" })).status, 204);
    });

    test("a file without a content type is bytes, and may be empty", async (t) => {
      const side = await open(t);
      await side.objectStorageAdapter.put("empty", new Uint8Array());
      const got = await file(side, "empty");
      assert.equal(got.status, 200);
      assert.equal(got.headers.get("content-type"), "application/octet-stream");
      assert.equal(got.headers.get("content-length"), "0");
      assert.equal((await bytesOf(got)).length, 0);
      const put = await file(side, "none", { method: "PUT" });
      assert.equal(put.status, 200);
      assert.equal((await side.objectStorageAdapter.get("none")).data.length, 0);
    });

    test("a page that somebody stored runs nothing in a browser", async (t) => {
      const side = await open(t);
      const active = [
        "text/html; charset=utf-8",
        "image/svg+xml",
        "TEXT/XML",
        "application/xhtml+xml",
      ];
      for (const type of [...active, "text/javascript", "image/png", "text/plain"]) {
        await side.objectStorageAdapter.put("page", Buffer.from("<script>1</script>"), {
          contentType: type,
        });
        const shown = ["image/png", "text/plain"].includes(type);
        const { headers } = await file(side, "page");
        assert.equal(headers.get("content-security-policy"), "sandbox", type);
        assert.equal(headers.get("x-content-type-options"), "nosniff", type);
        assert.equal(headers.get("content-disposition"), shown ? null : "attachment", type);
      }
    });

    test("a part of a file is sent where a part is asked for", async (t) => {
      const side = await open(t);
      const data = randomBytes(600_000);
      await side.objectStorageAdapter.put("f", data);
      const part = await file(side, "f", { headers: { range: "bytes=300000-300009" } });
      assert.equal(part.status, 206);
      assert.equal(part.headers.get("content-range"), "bytes 300000-300009/600000");
      assert.deepEqual(await bytesOf(part), data.subarray(300_000, 300_010));
      const beyond = await file(side, "f", { headers: { range: "bytes=600000-" } });
      assert.equal(beyond.status, 416);
      assert.equal(beyond.headers.get("content-range"), "bytes */600000");
    });

    test("a packed file is stored unpacked", async (t) => {
      const side = await open(t);
      const data = Buffer.alloc(3_000_000, "photos and notes ");
      const headers = { "content-encoding": "gzip" };
      const put = await file(side, "f", { method: "PUT", body: gzipSync(data), headers });
      assert.equal(put.status, 200);
      assert.deepEqual(Buffer.from((await side.objectStorageAdapter.get("f")).data), data);
    });

    test("who is not let in changes nothing", async (t) => {
      const seen = [];
      const side = await open(t, {
        authorize: (req) => {
          seen.push([req.method, req.url, req.headers.authorization]);
          return Promise.resolve(req.headers.authorization === "Bearer right");
        },
      });
      const headers = { authorization: "Bearer wrong" };
      const records = [recordOf("r1", at(1, "a"))];
      const refused = await exchange(side, { watermarks: {}, records }, { headers });
      assert.equal(refused.status, 401);
      assert.equal(refused.json.code, "UNAUTHORIZED");
      assert.equal((await file(side, "f", { method: "PUT", body: "x", headers })).status, 401);
      assert.equal((await file(side, "f", { method: "DELETE" })).status, 401);
      assert.equal(await side.databaseAdapter.get("r1"), null);
      assert.equal(await side.objectStorageAdapter.has("f"), false);
      assert.deepEqual(seen[0], ["POST", "/sync/exchange", "Bearer wrong"]);
      assert.deepEqual(seen[2], ["DELETE", "/files/f", undefined]);
      headers.authorization = "Bearer right";
      assert.equal((await exchange(side, { watermarks: {}, records }, { headers })).status, 200);
    });

    test("a rule on files holds for every spelling of a key", async (t) => {
      const asked = [];
      const side = await open(t, {
        authorize: ({ url }, { route, key }) => {
          asked.push({ url, route, key });
          return route === "exchange" || !key.startsWith("private/");
        },
      });
      await side.objectStorageAdapter.put("private/diary", Buffer.from("SECRET"));
      const spellings = [
        "/files/private/diary",
        "/files/private%2Fdiary",
        "/files/%70rivate/diary",
        "http://elsewhere/files/private/diary",
      ];
      for (const target of spellings) {
        const head = `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
        const answer = await raw(side.port, head);
        assert.doesNotMatch(answer, /SECRET/, target);
        // Behind `node:http` a target with a host is the app's.
        assert.match(answer, /^HTTP\/1\.1 (401|418) /, target);
      }
      assert.ok(asked.every(({ route, key }) => route === "file" && key === "private/diary"));
      if (front === "server") {
        assert.deepEqual([...new Set(asked.map(({ url }) => url))], ["/files/private%2Fdiary"]);
        assert.equal(asked.length, spellings.length);
      }
      assert.equal((await exchange(side, { watermarks: {} })).status, 200);
      assert.equal(asked.at(-1).route, "exchange");
      assert.equal(asked.at(-1).key, null);
    });

    test("an authorize that fails, or answers neither true nor false, lets nobody in", async (t) => {
      t.mock.method(console, "warn", () => {});
      const failures = [
        () => {
          throw new Error("secret");
        },
        () => Promise.reject(new Error("secret")),
        () => "yes",
        () => undefined,
      ];
      for (const authorize of failures) {
        const side = await open(t, { authorize });
        const response = await file(side, "f", { method: "PUT", body: "x" });
        assert.equal(response.status, 500);
        assert.doesNotMatch(await response.text(), /secret/);
        assert.equal(await side.objectStorageAdapter.has("f"), false);
      }
    });

    test("a body over the limit is refused, however it is sent", async (t) => {
      const side = await open(t, { maxBodyBytes: 10_000, maxFileBytes: 20_000 });
      const padding = " ".repeat(10_001);
      const long = await exchange(side, `{"watermarks":{}}${padding}`);
      assert.equal(long.status, 413);
      assert.equal(long.json.code, "TOO_LARGE");
      const bomb = gzipSync(Buffer.alloc(50_000_000, " "));
      const unpacked = await exchange(side, bomb.subarray(), {
        headers: { "content-encoding": "gzip" },
      });
      assert.equal(unpacked.status, 413);
      const pieces = async function* () {
        for (let n = 0; n < 30; n += 1) yield Buffer.alloc(1000);
      };
      const streamed = { method: "PUT", body: pieces(), duplex: "half" };
      assert.equal((await file(side, "f", streamed)).status, 413);
      const announced = { method: "PUT", body: Buffer.alloc(20_001) };
      assert.equal((await file(side, "f", announced)).status, 413);
      const allowed = { method: "PUT", body: Buffer.alloc(20_000) };
      assert.equal(await side.objectStorageAdapter.has("f"), false);
      assert.equal((await file(side, "f", allowed)).status, 200);
    });

    test("an upload that breaks off leaves what was there", async (t) => {
      const side = await open(t);
      await side.objectStorageAdapter.put("f", Buffer.from("before"));
      const head = "PUT /files/f HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500000\r\n\r\n";
      await raw(side.port, head, Buffer.alloc(300_000), (socket) => socket.end());
      await raw(side.port, head, Buffer.alloc(300_000), (socket) => {
        setTimeout(() => socket.destroy(), 20);
      });
      assert.equal((await exchange(side, { watermarks: {} })).status, 200);
      assert.equal(
        Buffer.from((await side.objectStorageAdapter.get("f")).data).toString(),
        "before",
      );
      assert.deepEqual((await side.objectStorageAdapter.list("")).keys, ["f"]);
    });

    test("keys that lead out of a folder are refused, and nothing is written", async (t) => {
      const side = await open(t);
      const keys = ["..", "%2e%2e", "a/..%2f..%2fb", "a%5C..%5Cb", "%2Fetc%2Fpasswd", "/etc/x"];
      keys.push("a%00b", "C%3A%5Cx", "a%zz", "%ff", "x".repeat(5000), "");
      for (const key of keys) {
        for (const method of ["PUT", "GET", "DELETE"]) {
          const said = await raw(
            side.port,
            `${method} /files/${key} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
          );
          assert.match(said, /^HTTP\/1\.1 400 /, `${method} ${key}`);
          assert.match(said, /"code":"INVALID_KEY"/);
        }
      }
      if (kind === "native") {
        for (const key of ["a\\b", "x".repeat(256), "a//b", ".starkeep-store/x"]) {
          const response = await file(side, key, { method: "PUT", body: "x" });
          assert.equal(response.status, 400, key);
          assert.equal((await response.json()).code, "INVALID_KEY");
        }
      }
      assert.deepEqual((await side.objectStorageAdapter.list("")).keys, []);
    });

    test("fifty callers at one time are all served", async (t) => {
      const side = await open(t);
      const data = randomBytes(100_000);
      const one = async (n) => {
        const records = [recordOf(`r${n}`, at(n, `node-${n % 7}`))];
        const put = await file(side, `f${n}`, { method: "PUT", body: data });
        const sent = await exchange(side, { watermarks: {}, records });
        const got = await bytesOf(await file(side, `f${n}`));
        return put.status === 200 && sent.status === 200 && got.equals(data);
      };
      const outcomes = await Promise.all(Array.from({ length: 50 }, (_, n) => one(n)));
      assert.ok(outcomes.every(Boolean));
      assert.equal((await side.databaseAdapter.query({ limit: 100 })).records.length, 50);
    });

    test("a transport of the app's takes the place of the answering side", async (t) => {
      const requests = [];
      const transport = {
        exchange(request) {
          requests.push(request);
          return { records: [recordOf("theirs", at(9, "b"))], appSyncableRows: [], hasMore: true };
        },
      };
      const side = await open(t, { transport });
      const records = [recordOf("r1", at(1, "a"))];
      const { json } = await exchange(side, { watermarks: { b: at(3, "b") }, records, limit: 7 });
      assert.deepEqual(requests[0].records, records);
      assert.deepEqual(requests[0].watermarks, { b: at(3, "b") });
      assert.equal(requests[0].limit, 7);
      assert.equal(json.records[0].id, "theirs");
      assert.equal(json.hasMore, true);
      assert.equal(await side.databaseAdapter.get("r1"), null);
    });

    test("to a transport of the app's a request goes as it came, and its answer goes out as it is", async (t) => {
      const answer = { records: [], appSyncableRows: [], hasMore: false, later: { x: "ü" } };
      const requests = [];
      const transport = { exchange: async (request) => (requests.push(request), answer) };
      const side = await open(t, { transport });
      const sent = [
        { watermarks: {} },
        { watermarks: {}, records: [], appSyncableRows: [], channel: "c", limit: 5 },
        { watermarks: { a: { ...at(1, "a"), more: 1 } } },
      ];
      for (const request of sent) {
        assert.deepEqual((await exchange(side, request)).json, answer);
      }
      assert.deepEqual(requests, sent);
      assert.equal((await exchange(side, { watermarks: [] })).status, 400);
      assert.equal(requests.length, sent.length);
    });

    test("a fault inside is a 500 that says nothing of the inside", async (t) => {
      const warn = t.mock.method(console, "warn", () => {});
      const thrown = new Error("the password is swordfish");
      const transport = { exchange: () => Promise.reject(thrown) };
      const side = await open(t, { transport });
      const { status, json } = await exchange(side, { watermarks: {} });
      assert.equal(status, 500);
      assert.equal(json.code, "INTERNAL_ERROR");
      assert.doesNotMatch(JSON.stringify(json), /swordfish/);
      assert.equal(warn.mock.calls.length, 1);
      assert.equal(warn.mock.calls[0].arguments[1], thrown);
    });
  });
}
