"use strict";

/**
 * The objects that this package made. Each stands for its native half while its functions are the ones that it was
 * given: an app that replaces one of them, in place or in a copy, is called like any other adapter.
 */
exports.createBrands = function createBrands() {
  const brands = new WeakMap();
  return {
    brand(object, native) {
      const functions = Object.entries(object).filter(([, made]) => typeof made === "function");
      brands.set(object, { native, functions });
    },
    isOurs: (object) => brands.has(object),
    nativeOf(object) {
      const brand = brands.get(object);
      return brand?.functions.every(([name, made]) => object[name] === made)
        ? brand.native
        : undefined;
    },
  };
};
