"use strict";

const { load } = require("./where.js");
const { isWellFormed } = require("./well-formed.js");

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CHANCE = 80n;
const LENGTH = 26;

/** Makes ULIDs of which each is greater than the one before, also within a millisecond and if the clock goes back. */
function createUlids(now = Date.now) {
  const { randomBytes } = load("node:crypto");
  let last = -1n;
  return function ulid() {
    const made = (BigInt(now()) << CHANCE) | BigInt(`0x${randomBytes(10).toString("hex")}`);
    last = made >> CHANCE > last >> CHANCE ? made : last + 1n;
    let text = "";
    for (let i = 0, bits = last; i < LENGTH; i += 1, bits >>= 5n)
      text = ALPHABET[Number(bits & 31n)] + text;
    return text;
  };
}

/** Ids of records: new ones, and those that an app has as text. Every store of records asks the same of an id. */
function createIds({ mustBe }) {
  let ulid;
  return {
    createId: () => (ulid ??= createUlids())(),
    toId(text) {
      if (typeof text === "string" && text !== "" && isWellFormed(text)) return text;
      throw mustBe("toId(text)", "a text that is not empty, of well-formed Unicode", text);
    },
  };
}

module.exports = { createIds, createUlids };
