// The page about the protocol says what a server does: its examples are replayed, in order.
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { SIDES, STORES, sideFor } from "./support/answering.mjs";

const page = readFileSync(new URL("../docs/protocol.md", import.meta.url), "utf8");
const blocks = [...page.matchAll(/^```(http request|http answer|sh)\n([^]*?)^```$/gm)].map(
  ([, kind, text]) => ({ kind, text }),
);

/** The start line, the headers and the body of a message. */
function parsed(text) {
  const [head, ...rest] = text.split("\n\n");
  const [start, ...lines] = head.trim().split("\n");
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
  );
  return { start: start.split(" "), headers, body: rest.join("\n\n").trimEnd() };
}

const dialogue = blocks.filter(({ kind }) => kind !== "sh").map(({ text }) => parsed(text));

test("every request of the page is followed by its answer", () => {
  const kinds = blocks.filter(({ kind }) => kind !== "sh").map(({ kind }) => kind);
  assert.ok(kinds.length >= 14);
  kinds.forEach((kind, n) => assert.equal(kind, n % 2 === 0 ? "http request" : "http answer"));
});

for (const { front, kind, title } of SIDES) {
  test(`${title} answers as the page says`, async (t) => {
    const side = await sideFor(t, { front, kind });
    for (let n = 0; n < dialogue.length; n += 2) {
      const [request, wanted] = [dialogue[n], dialogue[n + 1]];
      const [method, target] = request.start;
      const response = await fetch(side.url + target, {
        method,
        headers: request.headers,
        body: request.body === "" ? undefined : request.body,
      });
      const what = `${method} ${target}`;
      assert.equal(`${response.status}`, wanted.start[1], what);
      for (const [name, value] of Object.entries(wanted.headers)) {
        assert.equal(response.headers.get(name), value, `${what}: ${name}`);
      }
      const body = await response.text();
      if (wanted.body.startsWith("{")) {
        assert.deepEqual(JSON.parse(body), JSON.parse(wanted.body), what);
      } else if (wanted.body !== "") assert.equal(body, wanted.body, what);
    }
  });
}

const hasTools = ["curl", "gzip"].every((tool) => !spawnSync(tool, ["--version"]).error);
const skip = hasTools ? false : "curl or gzip is not installed";

for (const kind of STORES) {
  test(`the examples with curl work over ${kind}`, { skip }, async (t) => {
    const side = await sideFor(t, { front: "server", kind });
    const scripts = blocks.filter(({ kind: tag }) => tag === "sh");
    assert.ok(scripts.length >= 3);
    for (const { text } of scripts) {
      const options = { env: { ...process.env, BASE: side.url, no_proxy: "*" }, timeout: 30_000 };
      await new Promise((resolve, reject) => {
        execFile("sh", ["-ec", text], options, (error, said, trouble) => {
          if (error) reject(new Error(`${text}\n${said}\n${trouble}`, { cause: error }));
          else resolve();
        });
      });
    }
  });
}
