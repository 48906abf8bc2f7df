import { randomBytes } from "node:crypto";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CHANCE = 80n;

/** Makes ULIDs of which each is greater than the one before, also within a millisecond and if the clock goes back. */
export function createUlids(now = Date.now) {
  let last = -1n;
  return function ulid() {
    const made = (BigInt(now()) << CHANCE) | BigInt(`0x${randomBytes(10).toString("hex")}`);
    last = made >> CHANCE > last >> CHANCE ? made : last + 1n;
    let text = "";
    for (let i = 0, bits = last; i < 26; i += 1, bits >>= 5n)
      text = ALPHABET[Number(bits & 31n)] + text;
    return text;
  };
}
