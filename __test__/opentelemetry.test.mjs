// The example that makes spans of OpenTelemetry, over real exchanges by HTTP.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import * as sync from "@starkeep/sync-engine";
import { traceSync } from "../examples/opentelemetry/spans.mjs";
import { engineOf, sideOf, writeFile, writeNotes } from "./support/reconciling.mjs";

/** Two laptops and a server, whose engines make spans until the test ends. */
async function traced(t) {
  const [a, b, hub] = await Promise.all(["a", "b", "hub"].map((name) => sideOf(t, name)));
  const server = sync.createHttpSyncServer({
    databaseAdapter: hub.db,
    objectStorageAdapter: hub.objects,
    clock: hub.clock,
  });
  const { port } = await server.listen();
  t.after(() => server.close());
  const peer = { baseUrl: `http://127.0.0.1:${port}`, retries: 0 };
  const engine = (side) =>
    engineOf(side, hub, {
      remoteObjectStorage: sync.createHttpObjectStorage(peer),
      transport: sync.createHttpSyncTransport(peer),
    });
  const [first, second] = [engine(a), engine(b)];
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(exporter)],
  });
  const channelOf = (engine) => (engine === first ? "photos" : undefined);
  const stop = traceSync(provider.getTracer("test"), { channelOf });
  t.after(stop);
  t.after(() => provider.shutdown());
  /** The spans that ended since they were asked for last. */
  function ended() {
    const spans = exporter.getFinishedSpans();
    exporter.reset();
    return spans;
  }
  return { a, b, hub, first, second, server, stop, peer, ended };
}

const named = (spans, name) => spans.filter((span) => span.name === name);
const idOf = (span) => span.spanContext().spanId;
const attribute = (span, name) => span.attributes[`starkeep.sync.${name}`];

/** The attributes of these names, as far as the span has them. */
const attributesOf = (span, ...names) =>
  Object.fromEntries(names.map((name) => [name, attribute(span, name)]));

test("a round is a span with its counts, and the objects that it moves are spans within it", async (t) => {
  const { a, b, first, second, peer, ended } = await traced(t);
  await writeFile(a, 1, "words");
  await writeFile(a, 2, "more words");
  await writeNotes(a, 5, 8);
  const up = await first.exchange();
  const spans = ended();
  const [round, ...others] = named(spans, "sync exchange");
  assert.deepEqual([others.length, round.kind], [0, SpanKind.CLIENT]);
  assert.equal(round.parentSpanContext, undefined);
  assert.equal(round.status.code, SpanStatusCode.UNSET);
  assert.deepEqual(attributesOf(round, "channel", "peer", "in_sync", "held", "conflicts"), {
    channel: "photos",
    peer: peer.baseUrl,
    in_sync: true,
    held: 0,
    conflicts: 0,
  });
  assert.deepEqual(
    attributesOf(round, "items.sent", "items.received", "objects.sent", "objects.received"),
    { "items.sent": 5, "items.received": 0, "objects.sent": 2, "objects.received": 0 },
  );
  assert.deepEqual(
    [attribute(round, "bytes.sent"), attribute(round, "bytes.received")],
    [up.bytesSent, up.bytesReceived],
  );
  const transfers = named(spans, "sync transfer");
  assert.equal(spans.length, 3);
  for (const transfer of transfers) {
    assert.equal(transfer.parentSpanContext.spanId, idOf(round));
    assert.equal(transfer.spanContext().traceId, round.spanContext().traceId);
    assert.equal(transfer.status.code, SpanStatusCode.UNSET);
  }
  const moved = transfers.map((span) =>
    ["object.key", "object.direction", "object.bytes"].map((name) => attribute(span, name)),
  );
  assert.deepEqual(moved.sort(), [
    ["files/1", "outbound", 5],
    ["files/2", "outbound", 10],
  ]);

  await second.exchange();
  const down = ended();
  const [received] = named(down, "sync exchange");
  assert.notEqual(received.spanContext().traceId, round.spanContext().traceId);
  assert.deepEqual(attributesOf(received, "channel", "items.received", "objects.received"), {
    channel: undefined,
    "items.received": 5,
    "objects.received": 2,
  });
  const ways = named(down, "sync transfer").map((span) => [
    attribute(span, "object.direction"),
    span.parentSpanContext.spanId,
  ]);
  assert.deepEqual(ways, [
    ["inbound", idOf(received)],
    ["inbound", idOf(received)],
  ]);
  assert.equal((await b.objects.get("files/2")).size, 10);
});

test("a round that fails is a span with its error", async (t) => {
  const { a, first, server, ended } = await traced(t);
  await writeFile(a, 1, "words");
  await server.close();
  await assert.rejects(first.exchange(), { code: "SYNC_ERROR" });
  const [round] = named(ended(), "sync exchange");
  assert.equal(round.status.code, SpanStatusCode.ERROR);
  assert.match(round.status.message, /127\.0\.0\.1/);
  assert.equal(round.attributes["error.type"], "SYNC_ERROR");
  assert.equal(attribute(round, "channel"), "photos");
  assert.equal(attribute(round, "items.sent"), undefined, "nothing is known of what it did");
  assert.deepEqual(
    round.events.map(({ name }) => name),
    ["exception"],
  );
});

test("an object that cannot travel is a span with its error, and its round says that it is held", async (t) => {
  const { a, first, ended } = await traced(t);
  t.mock.method(console, "warn", () => {});
  await a.objects.delete(await writeFile(a, 1));
  await first.exchange();
  const spans = ended();
  const [[round], [transfer]] = ["sync exchange", "sync transfer"].map((name) =>
    named(spans, name),
  );
  assert.equal(transfer.parentSpanContext.spanId, idOf(round));
  assert.deepEqual(
    [transfer.status.code, transfer.attributes["error.type"]],
    [SpanStatusCode.ERROR, "BLOB_MISSING"],
  );
  assert.equal(round.status.code, SpanStatusCode.UNSET);
  assert.deepEqual(attributesOf(round, "held", "in_sync"), { held: 1, in_sync: false });
});

test("a reconciliation is a span of its own", async (t) => {
  const { a, hub, first, ended } = await traced(t);
  const key = await writeFile(a, 1, "words");
  await first.drain();
  await hub.objects.delete(key);
  ended();
  await first.reconcile({ objects: true });
  const spans = ended();
  const [[reconciled], [transfer]] = ["sync reconcile", "sync transfer"].map((name) =>
    named(spans, name),
  );
  assert.equal(transfer.parentSpanContext.spanId, idOf(reconciled));
  assert.deepEqual(attributesOf(reconciled, "in_sync", "differing", "held"), {
    in_sync: true,
    differing: 0,
    held: 0,
  });
});

test("once it is stopped there are no more spans", async (t) => {
  const { a, first, stop, ended } = await traced(t);
  stop();
  await writeFile(a, 1, "words");
  await first.exchange();
  assert.deepEqual(ended(), []);
});

test("the example prints the spans of a round that ends well, and of one that does not", () => {
  const cwd = fileURLToPath(new URL("..", import.meta.url));
  const script = "examples/opentelemetry/opentelemetry.mjs";
  const { status, stdout, stderr } = spawnSync(process.execPath, [script], {
    cwd,
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.deepEqual([status, stderr], [0, ""]);
  const lines = stdout.trimEnd().split("\n");
  assert.equal(lines.length, 3);
  assert.match(lines[0], /^ {2}✓ sync transfer object\.key=photos\/1 .*object\.bytes=18$/);
  assert.match(lines[1], /^✓ sync exchange channel=photos .*objects\.sent=1 .*in_sync=true/);
  assert.match(lines[2], /^✗ sync exchange .*error\.type=SYNC_ERROR$/);
});
