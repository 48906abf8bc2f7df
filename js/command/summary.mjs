// What an exchange did, as scripts and as people read it.
import { bytesText } from "../bytes-text.js";
import { plain } from "./errors.mjs";
import { countText, timeOf } from "./terminal.mjs";

/** What is held, as scripts read it. */
export const heldJson = (held) =>
  held.map(({ direction, kind, id, nodeId, key, code, reason }) => ({
    direction,
    kind,
    id,
    nodeId,
    key,
    code,
    reason,
  }));

/** A held item in one line. */
export const heldLine = ({ direction, id, key, code, reason }) =>
  `held ${direction} ${plain(id ?? key ?? "an item")}: ${code}: ${plain(reason)}`;

const versionJson = ({ updatedAt, deletedAt, sizeBytes, contentHash, objectStorageKey: key }) => ({
  nodeId: updatedAt.nodeId,
  at: timeOf(updatedAt),
  deleted: (deletedAt ?? null) !== null,
  sizeBytes,
  contentHash,
  key,
});

/** A conflict of two versions of a record: the one that stands, and the one that lost. */
export function conflictJson({ winner, local, incoming }) {
  const [stands, lost] = winner === "local" ? [local, incoming] : [incoming, local];
  return {
    id: stands.id,
    name: stands.originalFilename,
    winner,
    stands: versionJson(stands),
    lost: versionJson(lost),
  };
}

const versionText = ({ nodeId, at, deleted }) =>
  `${deleted ? "the deletion" : "the version"} of ${plain(nodeId)} (${at ?? "-"})`;

/** The same in one line. */
export const conflictLine = ({ id, name, stands, lost }) =>
  `conflict ${plain(id)} ${plain(name ?? "")}: ${versionText(stands)} stands, ${versionText(lost)} lost`;

/** What `drain` of an engine answered, and the conflicts that it met, as scripts read it. */
export function summaryOf({ hasMore: _, held, ...figures }, conflicts) {
  return {
    ok: held.length === 0,
    ...figures,
    conflicted: conflicts.map(conflictJson),
    held: heldJson(held),
  };
}

/** What an exchange did, in one line. */
export function exchangeLine(summary) {
  const { shipped, applied, bytesSent, bytesReceived, durationMs, rounds, inSync } = summary;
  const { held, conflicts = 0 } = summary;
  const parts = [
    `${shipped} sent (${bytesText(bytesSent)}), ${applied} received (${bytesText(bytesReceived)})`,
    `${countText(rounds, "round")} in ${(durationMs / 1000).toFixed(1)} s`,
    ...(conflicts > 0 ? [countText(conflicts, "conflict")] : []),
    ...(held.length > 0 ? [`${countText(held.length, "item")} held`] : []),
    ...(inSync === undefined ? [] : [inSync ? "both sides hold the same" : "the sides differ"]),
  ];
  return parts.join("; ");
}

/** The line of an exchange, and one for each conflict and each item that is held. */
export function* exchangeLines(summary) {
  yield exchangeLine(summary);
  // What an earlier version noted has no such list.
  for (const conflict of summary.conflicted ?? []) yield conflictLine(conflict);
  for (const item of summary.held) yield heldLine(item);
}
