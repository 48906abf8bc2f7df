"use strict";

const { isPromise } = require("./describe.js");
const { isWellFormed } = require("./well-formed.js");

const TLS = "createHttpSyncServer(tls)";

const isBytes = (value) =>
  ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === "[object Uint8Array]";

/** A PEM text, its bytes, or the path of a file that has it. What is given may be a private key: it is not shown. */
function pem(must, option, value) {
  const what = "a PEM text, its bytes, or the path of a PEM file";
  if (isBytes(value)) {
    const { buffer, byteOffset, byteLength } = value;
    return { text: Buffer.from(buffer, byteOffset, byteLength).toString("latin1") };
  }
  const isText = typeof value === "string" && value !== "" && isWellFormed(value);
  must(isText, option, what, value, true);
  return value.includes("-----BEGIN") ? { text: value } : { file: value };
}

/** `{ cert, key }`, as JSON. */
function tls(must, option, value) {
  if (value === undefined || value === null) return undefined;
  must(typeof value === "object" && !isPromise(value), option, "{ cert, key }", value, true);
  return JSON.stringify(must.read(TLS, value));
}

module.exports = { TLS, pem, tls };
