// A server with a status page, and what it has to show.
import { recordOf, sideFor } from "./answering.mjs";
import { at } from "./hlc.mjs";

const DAYS_AHEAD = Date.now() + 7 * 24 * 3600 * 1000;

/** What a caller of this node sends with records of these ids. */
export const page = (node, ...ids) => ({
  watermarks: {},
  records: ids.map((id, n) => recordOf(id, at(n + 1, node))),
});

/** A record that is refused, because its clock is ahead. */
export const ahead = (id, nodeId = "fast") => ({
  watermarks: {},
  records: [recordOf(id, { wallTime: DAYS_AHEAD, counter: 0, nodeId })],
});

/** A server that shows its page on this machine. */
export function sideWith(t, options = {}) {
  // What is refused is warned of, which is looked at elsewhere.
  t.mock.method(console, "warn", () => {});
  options = { statusPage: "loopback", ...options };
  return sideFor(t, { front: "server", kind: "native", options });
}
