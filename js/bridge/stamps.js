"use strict";

const { isStamp } = require("./items.js");

/** As it was when the package was loaded. */
const { stringify } = JSON;

/** Numbers of a timestamp: wall time, counter, and the number of the node's name. */
const STRIDE = 3;

/** How many names are compared one by one: a map would hash each, and most are read for the first time. */
const COMPARED = 8;

/** Room for the pages that are small, which is filled again and again: to make an array takes longer than to fill it. */
const ROOM = 1024 * STRIDE;
/** Nothing while a page is read: a getter may have another one read. */
let room = new Float64Array(ROOM);

/** The property that is read most is named in the code: V8 remembers where it lies. */
function stampOf(item, field) {
  if (field === undefined) return item;
  return field === "updatedAt" ? item?.updatedAt : item?.[field];
}

/** The number of a name, which it is given where it has none. */
function numberOf(name, names, numbers) {
  const compared = Math.min(names.length, COMPARED);
  for (let index = 0; index < compared; index += 1) if (names[index] === name) return index;
  if (compared < COMPARED) return names.push(name) - 1;
  let number = numbers.get(name);
  if (number === undefined) {
    number = names.push(name) - 1;
    numbers.set(name, number);
  }
  return number;
}

/** Writes the timestamp at this place, or that there is none. */
function write(stamps, at, stamp, names, numbers) {
  stamps[at] = Number.NaN;
  const wallTime = stamp?.wallTime;
  const counter = stamp?.counter;
  const nodeId = stamp?.nodeId;
  if (typeof wallTime !== "number" || typeof counter !== "number") return;
  if (typeof nodeId !== "string") return;
  stamps[at] = wallTime;
  stamps[at + 1] = counter;
  stamps[at + 2] = numberOf(nodeId, names, numbers);
}

/**
 * The timestamps that the items of an array have under `field`, or that they are: three numbers for each, `NaN`
 * for none, and the names of nodes that the third of them counts. A page may be the whole table, and to read it
 * property by property from the native side takes several times as long.
 *
 * The array may have more numbers than there are items, and holds them until the next call.
 */
function stampsOf(items, field) {
  const taken = room;
  const needed = items.length * STRIDE;
  const stamps = taken !== undefined && needed <= ROOM ? taken : new Float64Array(needed);
  room = undefined;
  const { length } = items;
  const [names, numbers] = [[], new Map()];
  for (let i = 0; i < length; i += 1) {
    try {
      write(stamps, i * STRIDE, stampOf(items[i], field), names, numbers);
    } catch {
      // An item whose getters throw has no timestamp: what is wrong with it is no fault of the others.
      stamps[i * STRIDE] = Number.NaN;
    }
  }
  room = taken;
  return [stamps, names];
}

/**
 * A version vector as JSON, with the timestamps that its getters answer; or, in an array, what is wrong with it. What a
 * getter throws is thrown.
 */
function marksOf(object) {
  if (typeof object !== "object" || object === null || Array.isArray(object))
    return ["watermarks must be an object of timestamps by nodeId"];
  const entries = Object.keys(object).map((name) => {
    const { wallTime, counter, nodeId } = object[name] ?? {};
    return [name, { wallTime, counter, nodeId }];
  });
  const faulty = entries.find(([, stamp]) => !isStamp(stamp));
  if (faulty === undefined) return stringify(Object.fromEntries(entries));
  return [`the watermark of ${stringify(faulty[0])} must be a timestamp`];
}

module.exports = { marksOf, stampsOf };
