// The entry for Node.js. Bundlers take `index.mjs`: not all of them can wait at the top of a module.
import { ready } from "./js/peer.mjs";
import "./js/traced.mjs";

/** The peer package's own class where it is installed. */
export const StarkeepError = await ready;

export * from "./index.mjs";
