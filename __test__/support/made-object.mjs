// Objects that say by themselves which they are.
const SIZES = [0, 1, 4096, 70_000, 300_000];
const DIGITS = 8;

/** The object of this number. Every fifth takes the place of an earlier one. */
export function madeObject(number) {
  const key = number % 5 === 0 ? `again/${number % 7}` : `d${number % 3}/o${number}`;
  const head = String(number).padStart(DIGITS, "0");
  const data = Buffer.alloc(DIGITS + SIZES[number % SIZES.length], head);
  return { number, key, data, options: { contentType: `test/${number}` } };
}

/** The number of the object that begins like this. */
export const numberOf = (data) => Number(Buffer.from(data).toString("latin1", 0, DIGITS));
