"use strict";

/** A notifier of changes. `threw` hears what a listener threw, which keeps no other listener from hearing. */
function createNotifier(threw, notFunction) {
  // It keeps the order of subscription, and knows a listener that is subscribed twice.
  const listeners = new Set();
  return {
    subscribe(listener) {
      if (typeof listener !== "function") throw notFunction(listener);
      listeners.add(listener);
      return function unsubscribe() {
        listeners.delete(listener);
      };
    },
    /** Listeners that come while they are called are called too, those that go are not. */
    emit(event) {
      for (const listener of listeners) {
        try {
          listener(event);
        } catch (error) {
          threw(error);
        }
      }
    },
  };
}

exports.createNotifier = createNotifier;
