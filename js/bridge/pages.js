"use strict";

/** The pages that adapters answer. */

const isNullish = (value) => value === undefined || value === null;

/** The items of a page, an array under `list`; or what is wrong with it. */
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

/**
 * A page that a method answered: its items, and behind them what `nextOf` says. Without `asked` what follows is
 * not looked at. What is wrong with the page stands in the place of the items, as a text.
 */
function pageOf(answer, list, ...asked) {
  const items = itemsOf(answer, list);
  if (typeof items === "string" || asked.length === 0) return [items];
  const next = nextOf(answer, items, asked[0]);
  return typeof next === "string" ? [next] : [items, ...next];
}

exports.pageOf = pageOf;
