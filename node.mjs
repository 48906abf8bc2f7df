// The entry for Node.js. Bundlers take `index.mjs`: not all of them can wait at the top of a module.
import { ready } from "./peer.mjs";

await ready;

export * from "./index.mjs";
