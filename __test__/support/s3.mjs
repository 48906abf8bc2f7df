// Buckets: of a real server, and of one that fails as a test needs it.
import { createHash, createHmac } from "node:crypto";
import { mkdirSync } from "node:fs";
import { request as send } from "node:http";
import { join } from "node:path";
import * as sync from "@starkeep/sync-engine";
import { startS3 } from "../../scripts/local-servers.mjs";
import { peerAt } from "./http-peers.mjs";
import { folderFor } from "./native.mjs";

export const CREDENTIALS = { accessKeyId: "AKTEST", secretAccessKey: "secret/of+the=test" };
const REGION = "us-east-1";

/** What opens a storage of which nothing is asked. */
export const BUCKET = {
  bucket: "bucket",
  endpoint: "http://127.0.0.1:9",
  region: REGION,
  credentials: CREDENTIALS,
};

/** A real server with the bucket `bucket`, which ends with the test; what its objects are written to is `folder`. */
export async function s3At(t) {
  let running;
  // Before the folder goes, which it writes to.
  t.after(async () => {
    await running?.end();
  });
  const root = folderFor(t);
  mkdirSync(join(root, "bucket"));
  running = await startS3(root, CREDENTIALS);
  return { root, folder: join(root, "bucket"), ...bucketAt(t, running.endpoint) };
}

/** What opens storages over the bucket at this endpoint. */
function bucketAt(t, endpoint) {
  const options = { ...BUCKET, endpoint };
  return {
    endpoint,
    options,
    storage(more = {}) {
      const storage = sync.createS3ObjectStorage({ ...options, ...more });
      t.after(() => storage.close());
      return storage;
    },
  };
}

/** A server that has `answer` answer each request, and storages over it. */
export async function fakeS3At(t, answer) {
  const peer = await peerAt(t, answer);
  return { ...peer, ...bucketAt(t, peer.baseUrl) };
}

/** Answers an error of S3. */
export function refuse(res, status, code, headers = {}) {
  res.writeHead(status, { "Content-Type": "application/xml", ...headers });
  res.end(
    `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>m</Message></Error>`,
  );
}

/** A server that hands requests on to another, except those that `meets(request, res)` answers itself. */
export async function beforeS3(t, { endpoint }, meets) {
  return fakeS3At(t, async (request, res) => {
    if (await meets(request, res)) return;
    // The host is signed, and is the one that the client meant.
    const { hostname, port } = new URL(endpoint);
    const { method, path, headers, bytes } = request;
    const onward = send({ hostname, port, method, path, headers });
    onward.on("response", (answer) => {
      res.writeHead(answer.statusCode, answer.headers);
      answer.pipe(res);
    });
    onward.on("error", () => res.destroy());
    onward.end(bytes);
  });
}

const hmac = (key, text) => createHmac("sha256", key).update(text).digest();
const sha256 = (data) => createHash("sha256").update(data).digest("hex");

/** A request that is signed in its headers, by nothing of the package, with this secret. */
export async function signed(url, { method = "GET", headers = {}, body = "", secret } = {}) {
  const { host, pathname, searchParams } = new URL(url);
  const { accessKeyId, secretAccessKey } = CREDENTIALS;
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const day = time.slice(0, 8);
  const all = { ...headers, host, "x-amz-content-sha256": sha256(body), "x-amz-date": time };
  const names = Object.keys(all).sort();
  const query = [...searchParams].map((pair) => pair.map(encodeURIComponent).join("=")).sort();
  const lines = names.map((name) => `${name}:${all[name]}\n`).join("");
  const list = names.join(";");
  const canonical = [method, pathname, query.join("&"), lines, list, sha256(body)].join("\n");
  const scope = `${day}/${REGION}/s3/aws4_request`;
  const text = ["AWS4-HMAC-SHA256", time, scope, sha256(canonical)].join("\n");
  const key = [day, REGION, "s3", "aws4_request"].reduce(hmac, `AWS4${secret ?? secretAccessKey}`);
  const signature = hmac(key, text).toString("hex");
  delete all.host;
  all.authorization =
    `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, ` +
    `SignedHeaders=${list}, Signature=${signature}`;
  return fetch(url, { method, headers: all, ...(method === "GET" ? {} : { body }) });
}
