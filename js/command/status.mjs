// How a place stands, as far as a process knows that has just begun.
import sync from "./package.mjs";
import { EXIT, errorJson, errorLine, plain } from "./errors.mjs";
import { NOTE } from "./exchange.mjs";
import { residencyOf } from "./ls.mjs";
import { peerOptions } from "./peer.mjs";
import { readNote, recordsOf, withPlace } from "./place.mjs";
import { exchangeLines } from "./summary.mjs";

/** @param {import("./main.mjs").Call} call */
export const run = (call) =>
  withPlace(call, async (place) => {
    const { values, output, signal } = call;
    const last = await readNote(place.folder, NOTE);
    const mark = last.success?.marks?.[place.nodeId];
    const status = {
      place: place.folder,
      nodeId: place.nodeId,
      ...(await countsOf(place, mark, signal)),
      nodes: await place.database.getNodeWatermarks(),
      watermarks: await place.state.getWatermarks(),
      peerWatermarks: await place.state.getPeerWatermarks(),
      lastExchange: last.success ?? null,
      lastFailure: last.failure ?? null,
      peer: values.url === undefined ? null : await peerOf(call),
    };
    if (values.json) await output.json(status);
    else for (const line of linesOf(status)) await output.line(line);
    return status.peer?.ok === false ? EXIT.wrong : EXIT.done;
  });

/** How many records are where, and how many were written here after the last exchange had begun. */
async function countsOf(place, mark, signal) {
  const counts = { resident: 0, staged: 0, tombstoned: 0 };
  let newHere = 0;
  for await (const record of recordsOf(place.database, signal)) {
    counts[await residencyOf(record, place)] += 1;
    const { updatedAt } = record;
    if (updatedAt?.nodeId !== place.nodeId) continue;
    if (mark === undefined || sync.compareHLC(updatedAt, mark) > 0) newHere += 1;
  }
  return { counts, newHere };
}

/** Whether the peer answers, and lets this place in. */
async function peerOf(call) {
  const peer = await peerOptions(call);
  const { url } = call.values;
  try {
    const storage = sync.createHttpObjectStorage(peer);
    const isHealthy = await storage.healthCheck();
    // A question about any file is refused to those that are not let in.
    if (isHealthy) await storage.has("starkeep-sync-status");
    else await sync.createHttpSyncTransport(peer).exchange({ watermarks: {}, limit: 1 });
    return { url, ok: isHealthy };
  } catch (error) {
    return { url, ok: false, error: errorJson(error) };
  }
}

const timeText = (ms) => new Date(ms).toISOString();
const stampText = ([node, stamp]) => `${plain(node)} at ${plain(sync.serializeHLC(stamp))}`;

function* linesOf({
  place,
  nodeId,
  counts,
  newHere,
  nodes,
  lastExchange,
  lastFailure,
  peer,
  ...marks
}) {
  yield `place          ${plain(place)}, named ${nodeId}`;
  const { resident, staged, tombstoned } = counts;
  yield `records        ${resident} here, ${staged} without their object yet, ${tombstoned} deleted`;
  for (const node of Object.entries(nodes)) yield `newest         ${stampText(node)}`;
  for (const [name, word] of [
    ["watermarks", "taken in"],
    ["peerWatermarks", "peer has"],
  ])
    for (const node of Object.entries(marks[name])) yield `${word.padEnd(15)}${stampText(node)}`;
  if (lastExchange === null) yield "last exchange  none that this command knows of";
  else {
    const [line, ...more] = exchangeLines(lastExchange);
    yield `last exchange  ${timeText(lastExchange.atMs)} with ${plain(lastExchange.url)}: ${line}`;
    for (const [, word, text] of more.map((one) => /^(\w+) ([^]*)/.exec(one)))
      yield `${`${word} then`.padEnd(15)}${text}`;
  }
  if (lastFailure !== null)
    yield `failed since   ${timeText(lastFailure.atMs)}: ${errorLine(lastFailure)}`;
  yield `waiting        ${newHere} written here since then; what waits at the peer only an exchange tells`;
  if (peer === null) yield "peer           not asked: name it with --url";
  else
    yield `peer           ${peer.url}: ${peer.ok ? "healthy, and lets this place in" : errorLine(peer.error ?? { code: "UNHEALTHY", message: "does not say that it is healthy" })}`;
}
