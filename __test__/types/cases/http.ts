// Peers and servers over HTTP, as an app with the peer packages makes them.
import {
  type ObjectToUpload,
  type PresignCapability,
  type PresignedUrl,
  type S3Credentials,
  type S3ObjectStorageOptions,
  createFsObjectStorage,
  createHLCClock,
  createHttpObjectStorage,
  createHttpSyncServer,
  createHttpSyncTransport,
  createS3ObjectStorage,
  createSqliteDatabaseAdapter,
} from "@starkeep/sync-engine";

const clock = createHLCClock({ nodeId: "cloud" });
const database = createSqliteDatabaseAdapter({ path: "records.db" });
const objects = createFsObjectStorage({ root: "objects" });
declare const bucketOptions: S3ObjectStorageOptions;
declare const session: () => Promise<S3Credentials>;

const peer = { baseUrl: "https://cloud.example", timeoutMs: 1000, retries: 3 };
const transports = [
  createHttpSyncTransport(peer),
  createHttpSyncTransport({
    ...peer,
    maxAnswerBytes: Infinity,
    getAuthHeader: () => Promise.resolve(null),
    signRequest: async (method, path, body) => ({
      "x-signature": `${method} ${path} ${body.length}`,
      "x-nothing": undefined,
    }),
  }),
  createHttpSyncTransport({ ...peer, signRequest: () => new Map([["x-signature", "s"]]) }),
];
const files = createHttpObjectStorage({
  ...peer,
  getAuthHeader: async () => "Bearer token",
  signRequest: (method, path, body) => ({ "x-signature": `${method} ${path} ${body?.length}` }),
});

const urls: PresignCapability = {
  presign(key, method, about) {
    const put: ObjectToUpload = about;
    const url: PresignedUrl = { url: `https://b/${key}`, headers: { "x-size": `${put.size}` } };
    return method === "GET" ? url.url : Promise.resolve(put.contentHash ? url : null);
  },
};
const byUrls = createHttpSyncServer({
  databaseAdapter: database,
  clock,
  objectStorageAdapter: { ...objects, ...urls },
});
const overBucket = createHttpSyncServer({
  databaseAdapter: database,
  clock,
  objectStorageAdapter: createS3ObjectStorage({ ...bucketOptions, credentials: session }),
});
const pastPeer = createHttpObjectStorage({ ...peer, presign: true });

// What does not fit

// @ts-expect-error: a URL is needed
createHttpSyncTransport({});
// @ts-expect-error: milliseconds
createHttpSyncTransport({ ...peer, timeoutMs: "1s" });
// @ts-expect-error: no such option
createHttpSyncTransport({ ...peer, headers: {} });
// @ts-expect-error: a header is a string
createHttpSyncTransport({ ...peer, getAuthHeader: () => 5 });
// @ts-expect-error: bytes
createHttpObjectStorage({ ...peer, maxAnswerBytes: "5" });
// @ts-expect-error: true or false
createHttpObjectStorage({ ...peer, presign: "yes" });
// @ts-expect-error: the bytes of an object are not at hand
createHttpObjectStorage({ ...peer, signRequest: (_m: string, _p: string, _b: string) => ({}) });

export { byUrls, files, overBucket, pastPeer, transports };
