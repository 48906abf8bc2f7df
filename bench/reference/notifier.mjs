/**
 * Calls its listeners at once and in the order of their subscription. A listener that throws ends
 * the emit.
 */
export function createChangeNotifier() {
  const listeners = new Set();
  return {
    /** @param {(event: object) => void} listener */
    subscribe(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    /** @param {object} event */
    emit(event) {
      for (const listener of listeners) listener(event);
    },
  };
}
