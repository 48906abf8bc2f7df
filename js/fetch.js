"use strict";

const { isWellFormed } = require("./well-formed.js");

/**
 * Requests over a `fetch` that the app passed in. It may be the real one, or a double that knows no more
 * of a response than its status and one way to read it. Nothing is decided here.
 */

/** The most bytes of a refusal that are shown. */
const SHOWN = 4096;
/** What of the headers says something about a file; `src/transport/client/look.rs` has the same names. */
const LOOKED_AT = [
  "starkeep-sync",
  "repr-digest",
  "content-type",
  "content-length",
  "content-encoding",
  "content-range",
];
/** Timers run no longer. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** What the native side is told: what is data alone as JSON, and the body, or what was thrown. */
const told = (said, data) => ({ said: JSON.stringify(said), data });
const LATE = told({ outcome: "late" });
const LONG = Symbol("too long");

/** The names and values of headers, one after the other: of an object, a `Map` or `Headers`. */
function headersOf(headers) {
  if (headers === undefined || headers === null) return [];
  const pairs =
    typeof headers[Symbol.iterator] === "function" ? [...headers] : Object.entries(headers);
  return pairs.filter(([, value]) => value !== undefined).flat();
}

/** Does `work(signal, moved)`, unless nothing moves for the timeout. */
async function inTime(timeoutMs, work) {
  if (!(timeoutMs <= LONGEST_TIMER)) return work(undefined, () => {});
  const controller = new AbortController();
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(() => {
      resolve(LATE);
      controller.abort();
    }, timeoutMs);
  });
  try {
    return await Promise.race([work(controller.signal, () => timer.refresh()), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The bytes of a body, as many as `most`; all that came before it where it has more and `cut`. */
async function bytesOf(body, most, cut, moved) {
  const reader = body.getReader();
  const chunks = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    moved();
    chunks.push(value);
    length += value.byteLength;
    if (length > most) {
      // The rest is not wanted, so neither is what becomes of it.
      reader.cancel().catch(() => {});
      if (!cut) return LONG;
      break;
    }
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

const isStream = (response) => typeof response.body?.getReader === "function";

async function explanation(response, moved) {
  try {
    if (isStream(response)) return await bytesOf(response.body, SHOWN, true, moved);
    return typeof response.text === "function" ? String(await response.text()) : "";
  } catch {
    // What can be had of it explains the status; that there is no more of it is no other error.
    return "";
  }
}

async function content(response, kind, most, moved) {
  if (kind === "none") {
    if (isStream(response)) await response.body.cancel();
    return undefined;
  }
  if (isStream(response)) return bytesOf(response.body, most, false, moved);
  if (kind === "file") return new Uint8Array(await response.arrayBuffer());
  return message(response);
}

/**
 * The message in a response without a stream. A double has no body at all: what a test prepares for a
 * success is its `json`, and its `text` is often a stub for refusals.
 */
async function message(response) {
  const hasText = typeof response.text === "function";
  const isDouble = (response.body ?? null) === null;
  if (hasText && !(isDouble && typeof response.json === "function")) return response.text();
  try {
    return await response.json();
  } catch (error) {
    if (!hasText) throw error;
    return response.text();
  }
}

/**
 * One request. `kind` says what is wanted of the answer: the `message`, a `file`, or `none`. With `idle`
 * the time is that in which nothing moves, else that of the whole request.
 */
async function fetchAnswer(owner, fetch, text, body) {
  const { url, method, headers, ...asked } = JSON.parse(text);
  const init = { method, headers: Object.fromEntries(headers) };
  if (body !== undefined) init.body = body;
  try {
    return await answerOf((signal) => {
      const given = signal === undefined ? init : { ...init, signal };
      return Reflect.apply(fetch, owner, [url, given]);
    }, asked);
  } catch (error) {
    return told({ outcome: isAbort(error) ? "aborted" : "threw" }, error);
  }
}

/** Whether the app itself called the request off. A name that cannot be read is another one. */
function isAbort(error) {
  try {
    return error?.name === "AbortError";
  } catch {
    return false;
  }
}

const textOf = (data) =>
  data instanceof Uint8Array ? new TextDecoder().decode(data) : String(data ?? "");

function answerOf(send, { kind, timeoutMs, idle, most }) {
  return inTime(timeoutMs ?? Infinity, async (signal, refresh) => {
    const moved = idle ? refresh : () => {};
    const response = await send(signal);
    moved();
    const { status, statusText } = response;
    const ok = typeof status === "number" ? status >= 200 && status < 300 : Boolean(response.ok);
    const header = (name) => response.headers?.get?.(name) ?? undefined;
    const headers = typeof response.headers?.get === "function" ? {} : undefined;
    if (headers) for (const name of LOOKED_AT) headers[name] = header(name);
    const data = ok
      ? await content(response, kind, most ?? Infinity, moved)
      : await explanation(response, moved);
    const known = typeof status === "number" ? status : 0;
    if (data === LONG) return told({ outcome: "long", status: known });
    const said = { ok, status: known, line: `${status ?? ""} ${statusText ?? ""}`, headers };
    const explained = ok ? "" : textOf(data);
    return told({ ...said, explanation: explained, retryAfter: header("retry-after") }, data);
  });
}

/** The functions of an app that are asked at each request; what they throw is thrown. */
function createAskedHeaders({ describe }, fault) {
  const invalid = (name, what) => fault("INVALID_ARGUMENT", name, `must answer ${what}`);

  /** The names and values of the headers that they add, one after the other. */
  return async function askedHeaders(owner, getAuthHeader, signRequest, method, path, body) {
    const asked = [];
    const value = getAuthHeader && (await Reflect.apply(getAuthHeader, owner, []));
    if (typeof value === "string" && isWellFormed(value)) {
      if (value !== "") asked.push("Authorization", value);
    } else if (value !== undefined && value !== null) {
      const got = describe(value, true);
      throw invalid("getAuthHeader", `a string, undefined or null, got ${got}`);
    }
    const signed =
      signRequest && headersOf(await Reflect.apply(signRequest, owner, [method, path, body]));
    if (signed?.some((text) => typeof text !== "string" || !isWellFormed(text)))
      throw invalid("signRequest", "headers that are strings");
    return asked.concat(signed ?? []);
  };
}

module.exports = { createAskedHeaders, fetchAnswer };
