// The page about the protocol says what a server does: its examples are replayed, in order.
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
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
        const { log, ...answer } = JSON.parse(body);
        assert.deepEqual(answer, JSON.parse(wanted.body), what);
        // What a side with logs says beside it is shown below.
        const isExchange = kind === "native" && "records" in answer;
        assert.equal(log !== undefined, isExchange, what);
      } else if (wanted.body !== "") assert.equal(body, wanted.body, what);
    }
  });
}

/* The third generation --------------------------------------------------------------------------- */

const logBlocks = [...page.matchAll(/^```http log (request|answer)\n([^]*?)^```$/gm)];
const logDialogue = logBlocks.map(([, , text]) => parsed(text));

test("every request by logs is followed by its answer", () => {
  assert.ok(logBlocks.length >= 14);
  logBlocks.forEach(([, kind], n) => assert.equal(kind, n % 2 === 0 ? "request" : "answer"));
});

/** What random names of the page, written `<name>`, are in this run: those of an answer are learnt from it. */
function names() {
  const known = new Map();
  const spoken = /<([a-z0-9]+)>/g;
  const filled = (text) => text.replace(spoken, (name) => known.get(name) ?? name.slice(1, -1));
  function learn(wanted, got) {
    if (typeof wanted === "string" && typeof got === "string") {
      const found = /<[a-z0-9]+>/.exec(wanted);
      if (found && !known.has(found[0])) known.set(found[0], /^[a-z0-9]+/.exec(got)?.[0]);
    } else if (typeof wanted === "object" && wanted !== null) {
      for (const [key, value] of Object.entries(wanted)) learn(value, got?.[key]);
    }
  }
  return { filled, learn };
}

for (const { front, kind, title } of SIDES) {
  test(`${title} answers by logs as the page says`, async (t) => {
    t.mock.method(console, "warn", () => {});
    const side = await sideFor(t, { front, kind });
    const { filled, learn } = names();
    for (let n = 0; n < logDialogue.length; n += 2) {
      const [request, wanted] = [logDialogue[n], logDialogue[n + 1]];
      const [method, target] = request.start;
      const response = await fetch(side.url + target, {
        method,
        headers: request.headers,
        body: filled(request.body),
      });
      const what = `${n / 2}: ${method} ${target}`;
      const answer = await response.json();
      assert.equal(`${response.status}`, wanted.start[1], what);
      for (const [name, value] of Object.entries(wanted.headers)) {
        assert.equal(response.headers.get(name), value, `${what}: ${name}`);
      }
      // Adapters of an app keep no log: their side answers as older ones do.
      if (kind === "adapters") {
        assert.equal("log" in answer, false, what);
        continue;
      }
      learn(JSON.parse(wanted.body), answer);
      assert.deepEqual(answer, JSON.parse(filled(wanted.body)), what);
    }
  });
}

test("every field that sides with logs send stands in the page", () => {
  const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
  const names = new Set();
  for (const file of ["message", "compare", "digest"]) {
    const source = readFileSync(new URL(`../src/protocol/log/${file}.rs`, import.meta.url), "utf8");
    for (const [, attributes, name] of source.matchAll(
      /((?:^ *#\[.*\]\n)*)^ {4}pub ([a-z_]+): /gm,
    )) {
      if (attributes.includes("serde(flatten)")) continue;
      const renamed = /rename = "([^"]+)"/.exec(attributes);
      names.add(renamed?.[1] ?? camel(name));
    }
  }
  assert.ok(names.size >= 20, [...names].join(" "));
  const section = page.slice(page.indexOf("## Change logs"), page.indexOf("## Files"));
  for (const name of names) assert.ok(section.includes(`\`${name}\``), name);
  const examples = logDialogue.map(({ body }) => body).join("\n");
  const rare = new Set(["rows", "more", "keys", "withheld", "unsent", "refusesMore"]);
  for (const name of names) {
    if (!rare.has(name)) assert.ok(examples.includes(`"${name}"`), `no example has ${name}`);
  }
});

test("hashes are made as the page says", () => {
  const hash = (stream, key, time) => {
    const bytes = createHash("sha256").update(`${stream}\0${key}\0${time}`).digest();
    return Number(bytes.readBigUInt64BE() & ((1n << 52n) - 1n));
  };
  const digests = logDialogue.flatMap(({ body }) => JSON.parse(body).log?.digest ?? []);
  const sums = digests.filter(({ count }) => count === 1).map(({ sum }) => sum);
  assert.ok(sums.length > 0);
  for (const sum of sums) {
    assert.equal(sum, hash("", "01HF0000000000000000000002", "018bcfe56800:0000:laptop"));
  }
  assert.equal(JSON.parse(logDialogue[0].body).log.streams, hash("streams", "", ""));
});

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
