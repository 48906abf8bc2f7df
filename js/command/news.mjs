// News of the peer: each event of its stream says that there may be something to fetch.
import { readFile } from "node:fs/promises";
import * as http from "node:http";
import * as https from "node:https";
import { rootCertificates } from "node:tls";

/** A peer writes every 15 seconds: one that is silent this long is gone, also if the connection does not know. */
const SILENT_MS = 60_000;
/** As much of a line says whether it is one of an event. */
const LONGEST_LINE = 64;

/**
 * What `events` of a loop takes. It fails with an error that has the `status` of the peer where that has no events.
 *
 * @param {{ baseUrl: string, getAuthHeader?: () => string }} peer
 * @param {string} [ca] a file with certificates to trust as well
 */
export const createNews = ({ baseUrl, getAuthHeader }, ca) =>
  async function* news(signal) {
    const url = `${baseUrl.replace(/\/+$/, "")}/events`;
    const authorization = getAuthHeader?.();
    const headers = { accept: "text/event-stream", ...(authorization && { authorization }) };
    const trusted =
      ca === undefined ? {} : { ca: [...rootCertificates, await readFile(ca, "utf8")] };
    const response = await ask(url, { headers, signal, agent: false, ...trusted });
    let line = "";
    for await (const text of response.setEncoding("utf8")) {
      const lines = `${line}${text}`.split("\n");
      line = lines.pop().slice(0, LONGEST_LINE);
      if (lines.some((one) => one.startsWith("event:"))) yield {};
    }
  };

function ask(url, options) {
  return new Promise((resolve, reject) => {
    const request = (url.startsWith("https:") ? https : http).get(url, options);
    request.setTimeout(SILENT_MS, () => request.destroy(new Error(`${url} is silent`)));
    request.on("error", reject);
    request.on("response", (response) => {
      const { statusCode: status, headers } = response;
      if (status === 200 && /^text\/event-stream\b/.test(headers["content-type"] ?? ""))
        return resolve(response);
      request.destroy();
      reject(Object.assign(new Error(`GET ${url} was answered ${status}, no events`), { status }));
    });
  });
}
