import { randomBytes } from "node:crypto";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** A ULID: 48 bits of time and 80 of chance in 26 characters, whose order is that of creation. */
export function ulid(now = Date.now()) {
  const time = Buffer.alloc(6);
  time.writeUIntBE(now, 0, 6);
  let bits = BigInt(`0x${Buffer.concat([time, randomBytes(10)]).toString("hex")}`);
  let text = "";
  for (let i = 0; i < 26; i += 1, bits >>= 5n) text = ALPHABET[Number(bits & 31n)] + text;
  return text;
}
