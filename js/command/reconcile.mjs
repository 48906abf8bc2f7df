// Compares all that both sides hold, and mends what differs.
import { EXIT, plain } from "./errors.mjs";
import { engineFor, peerOptions } from "./peer.mjs";
import { withPlace } from "./place.mjs";
import { heldJson, heldLine } from "./summary.mjs";

/** @param {import("./main.mjs").Call} call */
export const run = (call) =>
  withPlace(call, async (place) => {
    const { values, output, progress, signal } = call;
    const engine = engineFor(place, await peerOptions(call));
    const objects = values.objects === true;
    const result = await engine.reconcile({ objects, signal, onProgress: progress.show });
    progress.clear();
    const { held } = result;
    const unmended = (result.objects?.missing.length ?? 0) + (result.objects?.failed.length ?? 0);
    const isWrong = unmended > 0 || (result.inSync === false && held.length === 0);
    const ok = !isWrong && held.length === 0;
    if (values.json) await output.json({ ok, ...result, held: heldJson(held) });
    else for (const line of linesOf(result)) await output.line(line);
    return isWrong ? EXIT.wrong : held.length > 0 ? EXIT.held : EXIT.done;
  });

function* linesOf({ differing, shipped, applied, inSync, held, objects }) {
  const state = { true: "both sides hold the same", false: "the sides still differ" }[inSync];
  yield [
    `${differing} differed: ${shipped} sent, ${applied} received`,
    ...(state ? [state] : []),
  ].join("; ");
  for (const item of held) yield heldLine(item);
  if (objects === undefined) return;
  yield `${objects.checked} objects looked for: ${objects.sent} sent, ${objects.received} received`;
  for (const key of objects.missing) yield `missing on both sides: ${plain(key)}`;
  for (const { key, code, reason } of objects.failed)
    yield `not brought over: ${plain(key)}: ${code}: ${plain(reason)}`;
}
