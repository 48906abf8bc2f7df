"use strict";

/** Own, whatever name it is: `__proto__` is a name like any other. */
function setOwn(map, name, value) {
  if (!(name in map)) {
    map[name] = value;
    return;
  }
  Object.defineProperty(map, name, {
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}

exports.setOwn = setOwn;
