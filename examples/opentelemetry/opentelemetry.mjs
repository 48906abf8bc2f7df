// Rounds as spans of OpenTelemetry: a laptop sends a photo to a server, then the server is gone.
//
//   node examples/opentelemetry/opentelemetry.mjs
//
// It prints each span as a line, the objects below their round. An app gives its spans to an exporter of its own:
// spans.mjs is what it needs of this.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BasicTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import * as sync from "@starkeep/sync-engine";
import { traceSync } from "./spans.mjs";

const folder = mkdtempSync(join(tmpdir(), "starkeep-opentelemetry-"));

/** The stores of a device. */
function openDevice(nodeId) {
  const path = join(folder, `${nodeId}.db`);
  return {
    database: sync.createSqliteDatabaseAdapter({ path }),
    objects: sync.createFsObjectStorage({ root: join(folder, nodeId) }),
    state: sync.createSqliteSyncStateStore({ path }),
    clock: sync.createHLCClock({ nodeId }),
  };
}

const closeAll = (...devices) =>
  Promise.all(
    devices.flatMap(({ database, objects, state }) =>
      [database, objects, state].map((store) => store.close()),
    ),
  );

/** Prints spans. A span ends before the one that it is within. */
const printer = {
  export(spans, done) {
    for (const { name, parentSpanContext, status, attributes } of spans) {
      const known = Object.entries(attributes).map(
        ([key, value]) => `${key.replace("starkeep.sync.", "")}=${value}`,
      );
      const mark = status.code === 2 ? "✗" : "✓";
      console.log(`${parentSpanContext ? "  " : ""}${mark} ${name} ${known.join(" ")}`);
    }
    done({ code: 0 });
  },
  shutdown: () => Promise.resolve(),
};

const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(printer)] });
const names = new WeakMap();
const stop = traceSync(provider.getTracer("example"), { channelOf: (engine) => names.get(engine) });

const [laptop, cloud] = [openDevice("laptop"), openDevice("cloud")];
const server = sync.createHttpSyncServer({
  databaseAdapter: cloud.database,
  objectStorageAdapter: cloud.objects,
  clock: cloud.clock,
});
try {
  const { port } = await server.listen();
  const baseUrl = `http://127.0.0.1:${port}`;
  const engine = sync.createSyncEngine({
    localDatabaseAdapter: laptop.database,
    localObjectStorage: laptop.objects,
    remoteObjectStorage: sync.createHttpObjectStorage({ baseUrl }),
    transport: sync.createHttpSyncTransport({ baseUrl }),
    clock: laptop.clock,
    syncState: laptop.state,
    logger: console,
    logLevel: "silent",
  });
  names.set(engine, "photos");

  const data = new TextEncoder().encode("not really a photo");
  const stamp = laptop.clock.now();
  await laptop.objects.put("photos/1", data, { contentType: "image/jpeg" });
  await laptop.database.put({
    id: "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    kind: "data",
    type: "photo",
    createdAt: stamp,
    updatedAt: stamp,
    ownerId: "ada",
    deletedAt: null,
    version: 1,
    contentHash: "",
    objectStorageKey: "photos/1",
    mimeType: "image/jpeg",
    sizeBytes: data.byteLength,
    originalFilename: "1.jpg",
    originAppId: "photos",
    parentId: null,
  });
  await engine.exchange();
  await server.close();
  await engine.exchange().catch(() => {});
} finally {
  stop();
  await server.close();
  await closeAll(laptop, cloud);
  await provider.shutdown();
  rmSync(folder, { recursive: true, force: true });
}
