"use strict";

const isNullish = (value) => value === undefined || value === null;

/**
 * All pages of what an adapter lists, each held to what a page must say: one that is cut short hides items, and one that
 * leads nowhere has no end. `check` throws once the work was called off.
 */
exports.createPagesOf = (mustBe, check = () => {}) => {
  const mustBeObject = (place) => (item) => {
    if (typeof item !== "object" || item === null)
      throw mustBe(place, "a function that answers objects", item, true);
  };

  /** `ask` answers the page after a cursor, with an array under `name`. */
  return async function* pagesOf(place, name, ask, mustFit = mustBeObject(place)) {
    let cursor;
    for (;;) {
      check();
      const page = await ask(cursor);
      const items = page?.[name];
      if (!Array.isArray(items)) throw mustBe(`${place}.${name}`, "an array", items, true);
      for (const item of items) mustFit(item);
      yield items;
      const { nextCursor, hasMore } = page;
      if (isNullish(hasMore) && nextCursor === undefined)
        throw mustBe(`${place}.hasMore`, "true or false", hasMore);
      if (!(hasMore ?? nextCursor !== null)) return;
      if (isNullish(nextCursor) || nextCursor === cursor)
        throw mustBe(`${place}.nextCursor`, "a cursor that leads on", nextCursor, true);
      cursor = nextCursor;
    }
  };
};
