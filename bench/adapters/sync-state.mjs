/**
 * A `SyncStateStore` in memory.
 *
 * @param {{ watermarks?: object, peerWatermarks?: object }} [initial]
 */
export function createMemorySyncState({ watermarks = {}, peerWatermarks = {} } = {}) {
  /** @type {{ own: object, peer: object, clock: { wallTime: number, counter: number } | null }} */
  const state = { own: watermarks, peer: peerWatermarks, clock: null };
  return {
    getWatermarks: async () => state.own,
    /** @param {object} next */
    setWatermarks: async (next) => void (state.own = next),
    getPeerWatermarks: async () => state.peer,
    /** @param {object} next */
    setPeerWatermarks: async (next) => void (state.peer = next),
    getHlcClockState: async () => state.clock,
    /** @param {{ wallTime: number, counter: number }} next */
    setHlcClockState: async (next) => void (state.clock = next),
  };
}
