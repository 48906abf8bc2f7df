// The ids of the package, where the command takes a clock of its own.
import ids from "../ids.js";

export const { createUlids } = ids;
