"use strict";

/** The pages that adapters answer: what is wrong with one is told as a text. */

const isNullish = (value) => value === undefined || value === null;

/** The items of a page, an array under `list`. */
function itemsOf(answer, list) {
  if (typeof answer !== "object" || answer === null)
    return "must answer a page, an object; got something else";
  const items = answer[list];
  return Array.isArray(items) ? items : `must answer a page with an array of \`${list}\``;
}

/**
 * What follows a page that was answered to the cursor `asked`: the cursor of the next page in an array, or nothing in
 * it after the last. `hasMore` counts as in JavaScript; where it is missing, the cursor says it.
 */
function nextOf(answer, items, asked) {
  const isEmpty = items.length === 0;
  const { hasMore } = answer;
  const isTold = !isNullish(hasMore);
  if (isTold && !hasMore) return [];
  const next = answer.nextCursor;
  if (!isNullish(next)) {
    if (!isEmpty || next !== asked || typeof next === "object") return [next];
    return (
      "answered an empty page and the cursor that it was given, and would do so for ever; it must answer " +
      "`hasMore: false` with the last page"
    );
  }
  if (isTold)
    return (
      "answered `hasMore` without a `nextCursor`, so what follows cannot be read; it must answer the cursor of the " +
      "next page, and `hasMore: false` with the last"
    );
  if (isEmpty || "nextCursor" in answer) return [];
  return (
    "answered neither `hasMore` nor `nextCursor`, so whether more follows cannot be told; it must answer " +
    "`hasMore: false` with the last page"
  );
}

module.exports = { itemsOf, nextOf };
