// One door to the doubles and the small worlds.
export * from "./faulty.mjs";
export * from "./memory.mjs";
export { KINDS } from "./model.mjs";
export * from "./world.mjs";
