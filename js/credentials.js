"use strict";

/** `credentials` of `createS3ObjectStorage`, as the native side reads them: JSON, or a function that answers it. */

const { isPromise } = require("./describe.js");

const isNullish = (value) => value === undefined || value === null;
const isText = (value) => typeof value === "string" && value !== "";
const isVisible = (value) => isText(value) && /^[\x21-\x7e]+$/.test(value);

/** When they end, in milliseconds since the epoch: a `Date`, as the SDKs of AWS have it, or what one is made of. */
const endOf = (expiration) => (isNullish(expiration) ? undefined : new Date(expiration).getTime());

exports.credentials = function credentials(must, option, value, options) {
  function read(given) {
    const isObject = typeof given === "object" && given !== null && !isPromise(given);
    const what = "{ accessKeyId, secretAccessKey, sessionToken? }, or a function that answers that";
    must(isObject, option, what, given, true);
    const { accessKeyId, secretAccessKey, sessionToken, expiration } = given;
    const part = (name, fits, which, of) => must(fits, `${option}.${name}`, which, of, true);
    part("accessKeyId", isVisible(accessKeyId), "a string of visible characters", accessKeyId);
    part("secretAccessKey", isText(secretAccessKey), "a string", secretAccessKey);
    const hasToken = !isNullish(sessionToken) && sessionToken !== "";
    part("sessionToken", !hasToken || isVisible(sessionToken), "a string", sessionToken);
    const expiresMs = endOf(expiration);
    const isTime = expiresMs === undefined || Number.isSafeInteger(expiresMs);
    part("expiration", isTime && !(expiresMs < 0), "a Date", expiration);
    return JSON.stringify({
      accessKeyId,
      secretAccessKey,
      sessionToken: hasToken ? sessionToken : undefined,
      expiresMs,
    });
  }
  if (typeof value !== "function") return read(value);
  return async () => read(await Reflect.apply(value, options, []));
};
