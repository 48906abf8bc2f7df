"use strict";

/**
 * Moves values across the border where doing it in JavaScript is several times cheaper than property by
 * property from the native side. Nothing is decided here.
 *
 * A call into the other side costs more than what most of them say. So numbers and short texts lie on a
 * desk, memory that both sides read and write; `src/binding/js/desk.rs` has the same places. What is laid
 * there is for the call that follows at once: no code of an app's runs in between.
 */

/** So many node ids are remembered between two calls; a hostile peer's are not remembered for ever. */
const REMEMBERED_NODES = 1024;

/** So many of them are compared one by one: a map would hash each name, and most are read for the first time. */
const COMPARED_NODES = 8;

const DESK_LENGTH = 512;
/** Changes when the numbering of the names begins anew, and how many names there are. */
const GENERATION = 0;
const NAMES = 1;
/** Of a call: the number of its wait, and of the method's name. */
const WAIT = 2;
const METHOD = 3;
/** What became of it. */
const STATE = 4;
const ANSWERED = 0;
const WAITING = 1;
const NOT_CALLABLE = 2;
const FULFILLED = 0;
const REJECTED = 1;
/** Of entries, how many there are; of a record, where it is kept. */
const COUNT = 5;
const SLOT = 6;
/** What the call is about. */
const FIRST = 8;

/** Numbers of a timestamp: wall time, counter, and the number of the node's name. */
const STRIDE = 3;
/** Timestamps that have a place at once; for more there is an array apart. */
const PAGE_LENGTH = 4096 * STRIDE;
/** Numbers of a watermark: that of the name it stands under, and its timestamp. */
const ENTRY_STRIDE = 4;
const LETTERS_LENGTH = 1024;

/** As it was when the package was loaded. */
const { stringify } = JSON;

/** Own, whatever name it is: `__proto__` is a name like any other. */
function setOwn(map, name, value) {
  if (!(name in map)) {
    map[name] = value;
    return;
  }
  Object.defineProperty(map, name, {
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}

/** The names of nodes, each with a number that holds until the generation changes. */
function createNames(desk) {
  const indexes = new Map();
  const names = [];

  return {
    names,
    indexOf(name) {
      const compared = Math.min(names.length, COMPARED_NODES);
      for (let index = 0; index < compared; index += 1) if (names[index] === name) return index;
      let index = indexes.get(name);
      if (index === undefined) {
        index = names.push(name) - 1;
        indexes.set(name, index);
        desk[NAMES] = names.length;
      }
      return index;
    },
    forgetMany() {
      if (indexes.size <= REMEMBERED_NODES) return;
      indexes.clear();
      names.length = 0;
      desk[NAMES] = 0;
      desk[GENERATION] += 1;
    },
  };
}

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
function createReaders({ desk, page, letters, names, keys, slab }) {
  const { indexOf, forgetMany } = names;
  let readings = 0;

  const asked = () => (desk[METHOD] < 0 ? undefined : keys[desk[METHOD]]);

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
      desk[place] = -1;
      return at;
    }
    desk[place] = text.length;
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
    desk[FIRST + 7] = faultOf(record, deletedAt);
    const hasKey = typeof key === "string" && key !== "";
    const mimeType = hasKey ? record.mimeType : undefined;
    const contentHash = hasKey ? record.contentHash : undefined;
    const size = hasKey ? record.sizeBytes : undefined;
    if (typeof id === "string") slab[slot] = record;
    desk[FIRST] = deletedAt === undefined || deletedAt === null ? 0 : 1;
    desk[FIRST + 5] = typeof size === "number" ? size : Number.NaN;
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
      const count = desk[COUNT];
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
      put(desk, FIRST, stampOf(value, field));
    },
    /** The entries of a map; a count of `-1` where it is none. */
    packWatermarks(map) {
      if (typeof map !== "object" || map === null || Array.isArray(map)) {
        desk[COUNT] = -1;
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
      desk[COUNT] = nodes.length;
      return apart(numbers);
    },
    /** What follows a page of rows; the cursor of the next is kept in the slab. */
    packRest(answer, isEmpty, asked) {
      const slot = desk[SLOT];
      const [told, cursor] = restOf(answer, isEmpty, asked);
      if (told === 1) slab[slot] = cursor;
      desk[COUNT] = told;
    },
    /**
     * A page of `query`: its records are answered, with the timestamps where those have no place. The
     * cursor of the next page is kept in the slab.
     */
    packPage(answer, askedCursor) {
      const slot = desk[SLOT];
      const field = asked();
      const isObject = typeof answer === "object" && answer !== null;
      const records = isObject ? answer.records : undefined;
      if (!Array.isArray(records)) {
        desk[COUNT] = isObject ? NO_RECORDS : NO_OBJECT;
        return undefined;
      }
      const [told, cursor] = restOf(answer, records.length === 0, askedCursor);
      if (told < 0) {
        desk[COUNT] = told;
        return undefined;
      }
      const lastId = records[records.length - 1]?.id;
      const isLong = lengthOf(lastId) > LETTERS_LENGTH;
      // Last: whatever else of the app's is read could lay down another page over this one.
      const stamps = packHlcs(records, field);
      if (told === 1) slab[slot] = cursor;
      desk[COUNT] = records.length;
      desk[FIRST] = told;
      spell(FIRST + 1, isLong ? undefined : lastId, 0);
      desk[STATE] = stamps === undefined && !isLong ? 0 : 1;
      return desk[STATE] === 0 ? records : [records, stamps, isLong ? lastId : undefined];
    },
    /**
     * What the native side has to know of a record, which is kept in the slab. Texts that are longer than
     * what lies on the desk are answered.
     */
    packRecord: (record) => packRecordInto(desk[SLOT], record),
    packRecordAt: (records) => packRecordInto(desk[SLOT], records[desk[COUNT]]),
  };
}

/** Timestamps and watermarks, from numbers to objects. */
function createWriters({ desk, names: { names } }) {
  const hlcAt = (at) => ({
    wallTime: desk[at],
    counter: desk[at + 1],
    nodeId: names[desk[at + 2]],
  });

  function makeWatermarks(into = {}) {
    const end = FIRST + desk[COUNT] * ENTRY_STRIDE;
    for (let at = FIRST; at < end; at += ENTRY_STRIDE) setOwn(into, names[desk[at]], hlcAt(at + 1));
    return into;
  }

  return { makeHlc: () => hlcAt(FIRST), makeWatermarks };
}

/**
 * Calls of adapters. Where the answer is a promise, `settle(value)` is called when it settles, from a
 * reaction that was attached here, in the asynchronous context of the call.
 *
 * Promise and its `then` are taken as they were when the package was loaded.
 */
function createCaller({ desk, keys, settle, lost }, { makeHlc, makeWatermarks }) {
  const { apply } = Reflect;
  const { then } = Promise.prototype;
  const resolve = Promise.resolve.bind(Promise);
  const reactions = [];
  /** Of the waits whose reactions hang on their promise alone: the mark that goes with them. */
  const loose = new Map();
  const collected = new FinalizationRegistry((mark) => {
    if (loose.get(mark.id) !== mark) return;
    loose.delete(mark.id);
    lost(mark.id);
  });

  function react(id) {
    loose.delete(id);
    const settled = (state) => (value) => {
      desk[WAIT] = id;
      desk[STATE] = state;
      settle(value);
    };
    return [settled(FULFILLED), settled(REJECTED)];
  }

  function watch(id, promise) {
    apply(then, promise, (reactions[id] ??= react(id)));
    desk[STATE] = WAITING;
    return undefined;
  }

  /** From here on the wait lasts as long as its promise: one that nobody holds never settles. */
  function loosen(id) {
    if (reactions[id] === undefined) return;
    const mark = { id };
    loose.set(id, mark);
    collected.register(reactions[id][0], mark);
    reactions[id] = undefined;
  }

  function takeOf(id, answer) {
    if (answer !== null && (typeof answer === "object" || typeof answer === "function")) {
      if (answer instanceof Promise) return watch(id, answer);
      if (typeof answer.then === "function") return watch(id, resolve(answer));
    }
    desk[STATE] = ANSWERED;
    return answer;
  }

  function callMethod(object, ...args) {
    const id = desk[WAIT];
    const method = object?.[keys[desk[METHOD]]];
    if (typeof method !== "function") {
      desk[STATE] = NOT_CALLABLE;
      return undefined;
    }
    return takeOf(id, apply(method, object, args));
  }

  return {
    callMethod,
    callWithHlc: (object) => callMethod(object, makeHlc()),
    callWithWatermarks: (object) => callMethod(object, makeWatermarks()),
    callWithQuery: (object, cursor) => callMethod(object, { limit: desk[FIRST], cursor }),
    take: (answer) => takeOf(desk[WAIT], answer),
    loosen,
    // What follows it never settles, and holds nothing.
    never: Object.freeze({ then() {} }),
  };
}

/** Listeners that come while they are called are called too, those that go are not. */
const createEmit = (listeners, threw) =>
  function emit(event) {
    for (const listener of listeners) {
      try {
        listener(event);
      } catch (error) {
        threw(error);
      }
    }
  };

/** Through whatever the notifier's `emit` is now. */
function emitApplied(notifier, recordIds, timestamp) {
  notifier.emit({ eventType: "local-data-synced", recordIds, timestamp });
}

/** Deeper than a record, its columns and their timestamps, values are taken as `JSON.stringify` takes them. */
const READ_DEPTH = 3;

/**
 * The value as an app reads it: of an object of a class also what the class's getters answer. Whatever has a
 * `toJSON` speaks for itself.
 */
function asRead(value, depth = READ_DEPTH) {
  if (typeof value !== "object" || value === null || depth === 0) return value;
  if (Array.isArray(value) || typeof value.toJSON === "function") return value;
  const base = Object.getPrototypeOf(value);
  const isPlain = base === null || Object.getPrototypeOf(base) === null;
  // Bytes, maps, boxed values and the like are written as `JSON.stringify` writes them.
  if (!isPlain && Object.prototype.toString.call(value) !== "[object Object]") return value;
  let read = isPlain ? undefined : readWithGetters(value, base);
  for (const name of Object.keys(value)) {
    const own = value[name];
    const asIs = asRead(own, depth - 1);
    if (asIs === own && read === undefined) continue;
    read ??= { ...value };
    setOwn(read, name, asIs);
  }
  return read ?? value;
}

function readWithGetters(value, base) {
  const read = {};
  for (let level = base; level !== null; level = Object.getPrototypeOf(level)) {
    if (Object.getPrototypeOf(level) === null) break;
    for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(level)))
      if (property.get !== undefined && !(name in read))
        setOwn(read, name, asRead(value[name], READ_DEPTH - 1));
  }
  return read;
}

/** What a store of records may be able to do. */
const ABILITIES = ["getNodeWatermarks", "queryUnseen", "applyRecords"];

/** What the native side asks for, in numbers. */
function createAnswers(desk) {
  return {
    /** Which of the abilities an adapter has, the first as the lowest bit. */
    packAbilities(adapter) {
      let found = 0;
      ABILITIES.forEach((name, bit) => {
        if (typeof adapter?.[name] === "function") found += 2 ** bit;
      });
      desk[FIRST] = found;
    },
    /** The app's clock of the system, also where the app has replaced it. */
    packNow() {
      desk[FIRST] = Date.now();
    },
    /** An app that compares a quiet round's result with the three fields of old finds them alone. */
    makeResult(held = []) {
      const result = {
        applied: desk[FIRST],
        shipped: desk[FIRST + 1],
        hasMore: desk[FIRST + 2] === 1,
      };
      return Object.defineProperty(result, "held", {
        value: held,
        enumerable: held.length > 0,
        configurable: true,
        writable: true,
      });
    },
  };
}

/** `native` are the functions, the names of properties and the kept values of the native side. */
function createBorder(native) {
  const desk = new Float64Array(DESK_LENGTH);
  const page = new Float64Array(PAGE_LENGTH);
  const letters = new Uint16Array(LETTERS_LENGTH);
  const names = createNames(desk);
  const writers = createWriters({ desk, names });
  return {
    desk,
    page,
    letters,
    nodeNames: names.names,
    numberOfName(name) {
      desk[COUNT] = names.indexOf(name);
    },
    createEmit,
    emitApplied,
    textOf: (value) => stringify(asRead(value)),
    ...createReaders({ ...native, desk, page, letters, names }),
    ...createAnswers(desk),
    ...createCaller({ ...native, desk }, writers),
    ...writers,
  };
}

/** `advanceWatermark` around the comparison, which is the native side's. */
function createAdvance(isLater) {
  return function advanceWatermark(watermarks, hlc) {
    const { wallTime, counter, nodeId } = hlc;
    const stands = Object.hasOwn(watermarks, nodeId) ? watermarks[nodeId] : undefined;
    if (isLater(wallTime, counter, nodeId, stands?.wallTime, stands?.counter, stands?.nodeId)) {
      setOwn(watermarks, nodeId, hlc);
    }
  };
}

/**
 * `computeRecordWatermarks` and `computeAppSyncableWatermarks` around the comparison, which is the native
 * side's: `newestOf(array)` answers an object of the timestamps that the items have.
 */
const createCompute = (newestOf, notIterable) =>
  function compute(items) {
    if (typeof items?.[Symbol.iterator] !== "function") throw notIterable(items);
    return newestOf([...items]);
  };

exports.createAdvance = createAdvance;
exports.createBorder = createBorder;
exports.createCompute = createCompute;
