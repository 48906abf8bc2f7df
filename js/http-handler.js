"use strict";

/**
 * Moves requests of `node:http` to the native side and answers back. What a request means, and what its
 * answer says, is decided there.
 */

/** The body that a parser left behind, as bytes; `undefined` where there is none to be had. */
function parsedBody(req) {
  const body = req.body;
  if (body === undefined || body === null) return undefined;
  if (body instanceof Uint8Array) return body;
  if (typeof body === "string") return Buffer.from(body);
  // A file that was parsed is not the file any more: only a message may be written anew.
  return req.method === "POST" && typeof body === "object"
    ? Buffer.from(JSON.stringify(body))
    : undefined;
}

/** Whether the body was read to its end elsewhere. */
const isConsumed = (req) => req.readableEnded === true;

/**
 * The headers as the native side is to read them. A parser unpacks, and writes a message in other words;
 * a file of text that is shorter or longer after it is not the file.
 */
function headersOf(req, parsed) {
  if (parsed === undefined) return req.headers;
  const { "content-encoding": coding, "content-length": length, ...headers } = req.headers;
  const isExact = typeof req.body === "string" && coding === undefined && length !== undefined;
  return isExact ? { ...headers, "content-length": length } : headers;
}

/** The headers that the rules look at. */
const LOOKED_AT = [
  "accept-encoding",
  "content-encoding",
  "content-length",
  "content-range",
  "content-type",
  "if-match",
  "if-none-match",
  "if-range",
  "range",
  "upload-id",
];

/** Whether a body was there, and nothing is to be had of it. */
const isLost = ({ headers }) =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;

/**
 * The pieces of a body. Leaving early does not destroy the stream: the answer goes over the same socket.
 */
function piecesOf(req) {
  if (typeof req.iterator === "function") return req.iterator({ destroyOnReturn: false });
  return req[Symbol.asyncIterator]();
}

/** Brings the body over, until no more of it is wanted. Never rejects. */
async function pump(live, req, parsed) {
  try {
    if (parsed !== undefined) {
      await live.push(parsed);
    } else if (isConsumed(req)) {
      if (isLost(req)) return live.end(true);
    } else {
      const pieces = piecesOf(req);
      for (let next = await pieces.next(); !next.done; next = await pieces.next()) {
        const piece = typeof next.value === "string" ? Buffer.from(next.value) : next.value;
        const pushed = live.push(piece);
        const wanted = typeof pushed === "boolean" ? pushed : await pushed;
        if (!wanted) {
          await pieces.return?.();
          // The rest goes by, so that the connection can be used again.
          req.resume?.();
          break;
        }
      }
    }
    return live.end(false);
  } catch {
    return live.end(true);
  }
}

/** Resolves once the answer takes more, or never will. */
function drained(res) {
  return new Promise((resolve) => {
    const over = () => {
      res.off("drain", over);
      res.off("close", over);
      res.off("error", over);
      resolve();
    };
    res.on("drain", over);
    res.on("close", over);
    res.on("error", over);
  });
}

/** `Vary` is a list that others may have begun. */
function withVary(res, headers) {
  const theirs = res.getHeader?.("vary");
  if (headers.vary === undefined || theirs === undefined) return headers;
  return { ...headers, vary: [theirs, headers.vary].flat().join(", ") };
}

async function send(live, res, { status, headers, body }) {
  res.writeHead(status, withVary(res, headers));
  if (body !== null) {
    res.end(body);
    return;
  }
  for (let piece = await live.pull(); piece !== null; piece = await live.pull()) {
    if (res.destroyed) return;
    if (res.write(piece) === false && !res.destroyed) await drained(res);
  }
  res.end();
}

/** Not even a refusal could be made, or its answer broke off: the socket says it. */
function giveUp(res) {
  try {
    if (res.headersSent) {
      res.destroy?.();
      return;
    }
    res.writeHead(500, { "content-type": "application/json" });
    res.end('{"error":"the server could not answer","code":"INTERNAL_ERROR"}');
  } catch {
    // If the answer takes nothing, there is no caller left to tell.
  }
}

const HAS_BODY = new Set(["POST", "PUT"]);

/** `createHttpSyncHandler` around the native half. */
exports.createHandlerFactory = (createNative) =>
  function createHttpSyncHandler(options) {
    const begin = createNative(options);

    return async function handle(req, res) {
      let live;
      try {
        live = begin(req, req.method, req.url);
        if (live === undefined) return false;
        const parsed = isConsumed(req) ? parsedBody(req) : undefined;
        const answering = live.answer(JSON.stringify(headersOf(req, parsed), LOOKED_AT));
        if (HAS_BODY.has(req.method)) void pump(live, req, parsed);
        await send(live, res, await answering);
      } catch {
        giveUp(res);
      } finally {
        live?.done();
      }
      return true;
    };
  };
