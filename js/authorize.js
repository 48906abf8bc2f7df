"use strict";

const { isWellFormed } = require("./well-formed.js");

/** Around an app's `authorize`: what it is asked with, and what it may answer. */

exports.isTexts = (value) =>
  Array.isArray(value) && value.every((each) => typeof each === "string" && isWellFormed(each));

/** What a grant may say. A part that is misspelt would be one that does not hold. */
const PARTS = {
  nodeIds: ["an array of strings", exports.isTexts],
  readOnly: ["true or false", (value) => typeof value === "boolean"],
  apps: ["an array of strings", exports.isTexts],
};

/** The answer for the native side: nothing where the caller is not let in, else what it may do, as JSON. */
function granted(must, answer) {
  if (answer === true) return "{}";
  if (answer === false) return undefined;
  const what = "true, false or { nodeIds, readOnly, apps }";
  const isGrant = typeof answer === "object" && answer !== null && !Array.isArray(answer);
  if (!isGrant) throw must.error("the answer of authorize", what, answer, true);
  const grant = {};
  for (const [part, value] of Object.entries(answer)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(PARTS, part))
      throw must.invalid(
        "the answer of authorize",
        `must be ${what}, got a ${must.describe(part)}`,
      );
    const [kind, fits] = PARTS[part];
    if (!fits(value)) throw must.error(`${part} of the answer of authorize`, kind, value, true);
    grant[part] = value;
  }
  return JSON.stringify(grant);
}

/**
 * The request of `node:http` as what is wanted: an app may have hung on it who the caller is. Its own properties stay
 * as they are.
 */
function onRequest(request, { channel, route, key, appId, remoteAddress }) {
  const parts = { channel, route, key, appId, remoteAddress };
  return Object.create(request, Object.getOwnPropertyDescriptors(parts));
}

/** Of a request of `node:http` the app, or its router, knows what the native side does not. */
function wantedOf(request, wanted) {
  if (request === undefined) return wanted;
  return {
    ...wanted,
    url: request.url,
    channel: request.baseUrl || "/",
    headers: request.headers,
    remoteAddress: request.socket?.remoteAddress ?? null,
  };
}

/** `authorize` as the native side calls it: with the request of `node:http`, if it is one, and with JSON. */
exports.authorizer = (must, authorize) => async (request, json) => {
  const wanted = wantedOf(request, JSON.parse(json));
  const asked = request === undefined ? wanted : onRequest(request, wanted);
  return granted(must, await authorize(asked, wanted));
};
