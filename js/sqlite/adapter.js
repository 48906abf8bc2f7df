"use strict";

/**
 * The app's adapter with more functions: everything else of it is there as it was, also for an instance of
 * a class with private fields, getters and methods on its prototype, and for a frozen object.
 *
 * Methods run with the app's adapter as their `this`, however they are called, so that
 * `const { put } = adapter` and `{ ...adapter }` work. What is set on the answer is set on the app's
 * adapter, but for the functions that were added: those are replaced here alone.
 */
exports.adapterWith = function adapterWith(adapter, added) {
  const own = Object.assign(Object.create(null), added);
  const known = new WeakMap();

  function methodOf(method) {
    let bound = known.get(method);
    if (bound === undefined) {
      bound = new Proxy(method, { apply: (of, _this, args) => Reflect.apply(of, adapter, args) });
      known.set(method, bound);
    }
    return bound;
  }
  const isAdded = (name) => Object.hasOwn(own, name);
  const shown = (name, value) =>
    typeof value === "function" && name !== "constructor" ? methodOf(value) : value;

  // The proxy stands before an empty object, for a proxy may not show a frozen object otherwise than it is.
  return new Proxy(Object.create(Object.getPrototypeOf(adapter)), {
    get: (_, name) =>
      isAdded(name) ? own[name] : shown(name, Reflect.get(adapter, name, adapter)),
    set: (_, name, value) =>
      isAdded(name) ? Reflect.set(own, name, value) : Reflect.set(adapter, name, value, adapter),
    has: (_, name) => isAdded(name) || Reflect.has(adapter, name),
    deleteProperty: (_, name) => Reflect.deleteProperty(isAdded(name) ? own : adapter, name),
    ownKeys: () => [...new Set([...Reflect.ownKeys(adapter), ...Reflect.ownKeys(own)])],
    getOwnPropertyDescriptor(_, name) {
      const found = Reflect.getOwnPropertyDescriptor(isAdded(name) ? own : adapter, name);
      if (found === undefined || isAdded(name)) return found;
      const value = shown(name, Reflect.get(adapter, name, adapter));
      return { value, writable: true, enumerable: found.enumerable, configurable: true };
    },
    defineProperty: (_, name, property) =>
      Reflect.defineProperty(isAdded(name) ? own : adapter, name, property),
    getPrototypeOf: () => Reflect.getPrototypeOf(adapter),
  });
};
