// Peers on sockets of this machine, as good or as bad as a test needs them.
import { createServer } from "node:http";
import { createServer as createSocketServer } from "node:net";
import { gunzipSync } from "node:zlib";

/** What a peer answers that has nothing. */
export const NOTHING = { records: [], appSyncableRows: [], hasMore: false };

async function listening(t, server) {
  const sockets = new Set();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const stop = () =>
    new Promise((resolve) => {
      server.close(resolve);
      for (const socket of sockets) socket.destroy();
    });
  t.after(stop);
  const { port } = server.address();
  return { port, baseUrl: `http://127.0.0.1:${port}`, stop };
}

/**
 * A server that writes down every request and has `answer(request, response)` answer it. A request has
 * `method`, `path`, `headers`, `bytes`, and `text`, which is unpacked where it came packed.
 */
export async function peerAt(t, answer) {
  const requests = [];
  const sockets = new Set();
  const server = createServer(async (req, res) => {
    sockets.add(req.socket);
    const chunks = [];
    try {
      for await (const chunk of req) chunks.push(chunk);
    } catch {
      requests.push({ method: req.method, path: req.url, cut: true });
      return;
    }
    const bytes = Buffer.concat(chunks);
    const plain = req.headers["content-encoding"] === "gzip" ? gunzipSync(bytes) : bytes;
    const { method, url: path, headers } = req;
    const request = {
      method,
      path,
      headers,
      bytes,
      text: plain.toString(),
      index: requests.length,
    };
    requests.push(request);
    await answer(request, res);
  });
  const place = await listening(t, server);
  return { ...place, requests, connections: () => sockets.size };
}

/** A peer whose every answer is these bytes on the wire, after which it may hang up. */
export async function rawPeerAt(t, wire, { hangUp = true } = {}) {
  return listening(
    t,
    createSocketServer((socket) => {
      socket.once("data", () => (hangUp ? socket.end(wire) : socket.write(wire)));
    }),
  );
}

/** Answers JSON: a value, or its bytes. */
export function json(res, value, { status = 200, headers = {} } = {}) {
  res.writeHead(status, { "Content-Type": "application/json", ...headers });
  const plain = typeof value === "string" || Buffer.isBuffer(value);
  res.end(plain ? value : JSON.stringify(value));
}

/** An address of this machine where nothing listens. */
export async function deadAddress(t) {
  const { baseUrl, stop } = await listening(t, createSocketServer());
  await stop();
  return baseUrl;
}

/** The answering side behind a server: the cloud's transport, and its objects under `/files/`. */
export async function cloudAt(t, cloud) {
  return peerAt(t, async ({ method, path, headers, text, bytes }, res) => {
    if (path === "/sync/exchange") {
      return json(res, await cloud.transport.exchange(JSON.parse(text)));
    }
    const key = decodeURIComponent(path.slice("/files/".length));
    const object = await cloud.objects.get(key);
    if (method === "PUT") {
      await cloud.objects.put(key, new Uint8Array(bytes), { contentType: headers["content-type"] });
      return res.end();
    }
    if (method === "DELETE") {
      await cloud.objects.delete(key);
      return res.writeHead(204).end();
    }
    if (object === null) return res.writeHead(404).end();
    res.setHeader("Content-Type", object.contentType ?? "application/octet-stream");
    res.setHeader("Content-Length", object.size);
    return res.end(method === "HEAD" ? undefined : object.data);
  });
}
