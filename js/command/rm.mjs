// Marks records as deleted.
import { plain } from "./errors.mjs";
import { findRecord, nameOf, withPlace } from "./place.mjs";

/** @param {import("./main.mjs").Call} call */
export const run = (call) =>
  withPlace(call, async ({ database, clock }) => {
    const { values, operands, output, signal } = call;
    const found = [];
    for (const wanted of operands) found.push(await findRecord(database, wanted));
    for (const record of found) {
      signal.throwIfAborted();
      await database.delete(record.id, clock.now());
      if (values.json)
        await output.json({ id: record.id, name: record.originalFilename, deleted: true });
      else await output.line(`${plain(record.id)}  ${plain(nameOf(record))}`);
    }
  });
