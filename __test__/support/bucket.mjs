// A store of objects behind urls, as a cloud has one, and a storage that hands such urls out.
import { sideFor } from "./answering.mjs";
import { peerAt } from "./http-peers.mjs";
import { memoryObjects } from "./memory.mjs";

/** What stands in a url, and must not be seen anywhere else. */
export const SECRET = "s3cr3t";

/**
 * A bucket on a socket of its own. A url is good for one method; `fails(request)` may answer a status instead, and
 * `missing` is the status of what is not there.
 */
export async function bucketAt(t, { fails = () => {}, missing = 404 } = {}) {
  const objects = new Map();
  const peer = await peerAt(t, (request, res) => {
    const { method, path, headers, bytes } = request;
    const url = new URL(path, "http://bucket");
    const status = fails(request);
    if (status !== undefined) return res.writeHead(status).end(`<Error>${status}</Error>`);
    if (url.searchParams.get("sig") !== `${SECRET}-${method}`) return res.writeHead(403).end();
    if (method === "PUT") {
      objects.set(url.pathname, { bytes, type: headers["content-type"] });
      return res.end();
    }
    const found = objects.get(url.pathname);
    if (found === undefined) return res.writeHead(missing).end();
    res.setHeader("Content-Type", found.type ?? "binary/octet-stream");
    return res.end(found.bytes);
  });
  const pathOf = (key) => `/bucket/${encodeURIComponent(key)}`;
  return {
    ...peer,
    objects,
    has: (key) => objects.has(pathOf(key)),
    bytes: (key) => objects.get(pathOf(key))?.bytes,
    urlOf: (key, method) => `${peer.baseUrl}${pathOf(key)}?sig=${SECRET}-${method}`,
    put: (key, bytes, type) => objects.set(pathOf(key), { bytes: Buffer.from(bytes), type }),
    delete: (key) => objects.delete(pathOf(key)),
  };
}

/** A storage over the bucket. What goes through it, and which urls it was asked for, is written down. */
export function presigningObjects(bucket, answer = (url) => url) {
  const through = [];
  const asked = [];
  return {
    ...memoryObjects(),
    through,
    asked,
    async put(key, data, { contentType } = {}) {
      through.push(["put", key]);
      bucket.put(key, data, contentType);
    },
    async get(key) {
      through.push(["get", key]);
      const data = bucket.bytes(key);
      return data ? { data: new Uint8Array(data), size: data.length } : null;
    },
    has: async (key) => bucket.has(key),
    async stat(key) {
      const data = bucket.bytes(key);
      return data ? { size: data.length } : null;
    },
    delete: async (key) => void bucket.delete(key),
    async presign(key, method, options) {
      asked.push({ key, method, options });
      return answer(bucket.urlOf(key, method));
    },
  };
}

/** A side whose storage hands out urls of a bucket. */
export async function presigning(t, { front = "server", answer, bucket, ...options } = {}) {
  const place = bucket ?? (await bucketAt(t));
  const storage = presigningObjects(place, answer);
  const side = await sideFor(t, {
    front,
    kind: "adapters",
    options: { objectStorageAdapter: storage, ...options },
  });
  return { ...side, bucket: place, storage };
}
