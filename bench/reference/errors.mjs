/**
 * The error class of the package. It extends the app's `StarkeepError` where the peer package is
 * installed, so that `instanceof` holds in the app.
 */
class OwnStarkeepError extends Error {
  /**
   * @param {string} message
   * @param {string} code
   * @param {unknown} [cause]
   */
  constructor(message, code, cause) {
    super(message);
    this.name = "StarkeepError";
    this.code = code;
    this.cause = cause;
  }
}

// Named by a variable: the peer package is optional, for type checkers too.
const PEER = "@starkeep/protocol-primitives";
const StarkeepError = await import(PEER).then(
  (peer) => peer.StarkeepError ?? OwnStarkeepError,
  () => OwnStarkeepError,
);

export class SyncError extends StarkeepError {
  /**
   * @param {string} message
   * @param {unknown} [cause]
   */
  constructor(message, cause) {
    super(message, "SYNC_ERROR", cause);
    this.name = "SyncError";
  }
}
