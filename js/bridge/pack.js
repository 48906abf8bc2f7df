"use strict";

const {
  COUNT,
  ENTRY_STRIDE,
  FIRST,
  LETTERS_LENGTH,
  METHOD,
  SLOT,
  STATE,
  STRIDE,
} = require("./layout.js");

const isNumber = (value) => Number.isSafeInteger(value) && value >= 0;

function isStampOrMissing(value) {
  if (value === undefined || value === null) return true;
  return isNumber(value.wallTime) && isNumber(value.counter) && typeof value.nodeId === "string";
}

/** What is said of a page in place of how many there are: what it is not, or what follows it cannot be told. */
const NO_OBJECT = -1;
const NO_RECORDS = -2;
const NO_CURSOR = -3;
const UNTOLD = -4;
const STANDS_STILL = -5;

const isThere = (value) => value !== undefined && value !== null;

/**
 * What follows a page: 1 and the cursor, 0 after the last, or why it cannot be told. `hasMore` counts as in
 * JavaScript; where it is missing, the cursor says it.
 */
function restOf(answer, isEmpty, asked) {
  const { hasMore } = answer;
  if (isThere(hasMore) && !hasMore) return [0];
  const cursor = answer.nextCursor;
  if (isThere(cursor)) {
    const isSame = isEmpty && cursor === asked && typeof cursor !== "object";
    return isSame ? [STANDS_STILL] : [1, cursor];
  }
  if (isThere(hasMore)) return [NO_CURSOR];
  return isEmpty || "nextCursor" in answer ? [0] : [UNTOLD];
}

/** Timestamps, watermarks and records, from objects to numbers. */
function createReaders({ shared, page, letters, names, keys, slab }) {
  const { indexOf, forgetMany } = names;
  let readings = 0;

  const asked = () => (shared[METHOD] < 0 ? undefined : keys[shared[METHOD]]);

  /** The property that is read most is named in the code: V8 remembers where it lies. */
  function stampOf(value, field) {
    if (field === undefined) return value;
    return field === "updatedAt" ? value?.updatedAt : value?.[field];
  }

  /** All three are read before any is laid down: a getter may call into this package. */
  function put(numbers, at, stamp) {
    const wallTime = stamp?.wallTime;
    const counter = stamp?.counter;
    const nodeId = stamp?.nodeId;
    if (typeof wallTime === "number" && typeof counter === "number" && typeof nodeId === "string") {
      numbers[at] = wallTime;
      numbers[at + 1] = counter;
      numbers[at + 2] = indexOf(nodeId);
    } else {
      numbers[at] = Number.NaN;
    }
  }

  /** An item whose getters throw has no timestamp: what is wrong with it is no fault of the others. */
  function putOf(numbers, at, item, field) {
    try {
      put(numbers, at, stampOf(item, field));
    } catch {
      numbers[at] = Number.NaN;
    }
  }

  /** Where `length` numbers have room that no reading under way uses. */
  function begin(length) {
    readings += 1;
    if (readings > 1) return new Float64Array(length);
    forgetMany();
    return length > page.length ? new Float64Array(length) : page;
  }

  const apart = (numbers) => (numbers === page ? undefined : numbers);

  /** The letters of a text, and how many they are; `-1` where it is none. */
  function spell(place, text, at) {
    if (typeof text !== "string") {
      shared[place] = -1;
      return at;
    }
    shared[place] = text.length;
    for (let i = 0; i < text.length; i += 1) letters[at + i] = text.charCodeAt(i);
    return at + text.length;
  }

  const lengthOf = (text) => (typeof text === "string" ? text.length : 0);

  /** The timestamps that the items have under the property, or that they are; `NaN` for none. */
  function packHlcs(items, field = asked()) {
    const { length } = items;
    const numbers = begin(length * STRIDE);
    try {
      for (let i = 0; i < length; i += 1) putOf(numbers, i * STRIDE, items[i], field);
    } finally {
      readings -= 1;
    }
    return apart(numbers);
  }

  /** `0` where a record's other timestamps are such, or missing; else which of them is none. */
  function faultOf({ createdAt }, deletedAt) {
    if (!isStampOrMissing(createdAt)) return 1;
    return isStampOrMissing(deletedAt) ? 0 : 2;
  }

  function packRecordInto(slot, record) {
    const { id, deletedAt, objectStorageKey: key } = record;
    shared[FIRST + 7] = faultOf(record, deletedAt);
    const hasKey = typeof key === "string" && key !== "";
    const mimeType = hasKey ? record.mimeType : undefined;
    const contentHash = hasKey ? record.contentHash : undefined;
    const size = hasKey ? record.sizeBytes : undefined;
    if (typeof id === "string") slab[slot] = record;
    shared[FIRST] = deletedAt === undefined || deletedAt === null ? 0 : 1;
    shared[FIRST + 5] = typeof size === "number" ? size : Number.NaN;
    const letterCount = lengthOf(id) + lengthOf(key) + lengthOf(mimeType) + lengthOf(contentHash);
    if (letterCount > LETTERS_LENGTH) return [id, key, mimeType, contentHash];
    let at = spell(FIRST + 1, id, 0);
    at = spell(FIRST + 2, key, at);
    at = spell(FIRST + 3, mimeType, at);
    spell(FIRST + 4, contentHash, at);
    return undefined;
  }

  return {
    packHlcs,
    /** Those of the items whose indexes lie on the page, or apart. */
    pickAt(items, numbers = page) {
      const count = shared[COUNT];
      const picked = [];
      readings += 1;
      try {
        for (let i = 0; i < count; i += 1) picked.push(items[numbers[i]]);
      } finally {
        readings -= 1;
      }
      return picked;
    },
    /** The one timestamp that a value has under the property, or that it is. */
    packHlc(value) {
      const field = asked();
      if (readings === 0) forgetMany();
      put(shared, FIRST, stampOf(value, field));
    },
    /** The entries of a map; a count of `-1` where it is none. */
    packWatermarks(map) {
      if (typeof map !== "object" || map === null || Array.isArray(map)) {
        shared[COUNT] = -1;
        return undefined;
      }
      const nodes = Object.keys(map);
      const stamps = Object.values(map);
      const numbers = begin(nodes.length * ENTRY_STRIDE);
      try {
        for (let i = 0; i < nodes.length; i += 1) {
          put(numbers, i * ENTRY_STRIDE + 1, stamps[i]);
          numbers[i * ENTRY_STRIDE] = indexOf(nodes[i]);
        }
      } finally {
        readings -= 1;
      }
      shared[COUNT] = nodes.length;
      return apart(numbers);
    },
    /** What follows a page of rows; the cursor of the next is kept in the slab. */
    packRest(answer, isEmpty, asked) {
      const slot = shared[SLOT];
      const [told, cursor] = restOf(answer, isEmpty, asked);
      if (told === 1) slab[slot] = cursor;
      shared[COUNT] = told;
    },
    /**
     * A page of `query`: its records are answered, with the timestamps where those have no place. The
     * cursor of the next page is kept in the slab.
     */
    packPage(answer, askedCursor) {
      const slot = shared[SLOT];
      const field = asked();
      const isObject = typeof answer === "object" && answer !== null;
      const records = isObject ? answer.records : undefined;
      if (!Array.isArray(records)) {
        shared[COUNT] = isObject ? NO_RECORDS : NO_OBJECT;
        return undefined;
      }
      const [told, cursor] = restOf(answer, records.length === 0, askedCursor);
      if (told < 0) {
        shared[COUNT] = told;
        return undefined;
      }
      const lastId = records[records.length - 1]?.id;
      const isLong = lengthOf(lastId) > LETTERS_LENGTH;
      // Last: whatever else of the app's is read could lay down another page over this one.
      const stamps = packHlcs(records, field);
      if (told === 1) slab[slot] = cursor;
      shared[COUNT] = records.length;
      shared[FIRST] = told;
      spell(FIRST + 1, isLong ? undefined : lastId, 0);
      shared[STATE] = stamps === undefined && !isLong ? 0 : 1;
      return shared[STATE] === 0 ? records : [records, stamps, isLong ? lastId : undefined];
    },
    /**
     * What the native side has to know of a record, which is kept in the slab. Texts that are longer than
     * what lies on the shared are answered.
     */
    packRecord: (record) => packRecordInto(shared[SLOT], record),
    packRecordAt: (records) => packRecordInto(shared[SLOT], records[shared[COUNT]]),
  };
}

/** What a store of records may be able to do. */
const ABILITIES = ["getNodeWatermarks", "queryUnseen", "applyRecords"];

/** What the native side asks an adapter and the system for, in numbers. */
function createAnswers(shared) {
  return {
    /** Which of the abilities an adapter has, the first as the lowest bit. */
    packAbilities(adapter) {
      let found = 0;
      ABILITIES.forEach((name, bit) => {
        if (typeof adapter?.[name] === "function") found += 2 ** bit;
      });
      shared[FIRST] = found;
    },
    /** The app's clock of the system, also where the app has replaced it. */
    packNow() {
      shared[FIRST] = Date.now();
    },
  };
}

module.exports = { createAnswers, createReaders };
