"use strict";

const { GENERATION, NAMES } = require("./layout.js");

/** How many node ids are remembered between two calls; a hostile peer's are not remembered for ever. */
const REMEMBERED_NODES = 1024;

/** How many of them are compared one by one: a map would hash each name, and most are read for the first time. */
const COMPARED_NODES = 8;

/** The names of nodes, each with a number that holds until the generation changes. */
function createNames(shared) {
  const indexes = new Map();
  const names = [];

  return {
    names,
    indexOf(name) {
      const compared = Math.min(names.length, COMPARED_NODES);
      for (let index = 0; index < compared; index += 1) if (names[index] === name) return index;
      let index = indexes.get(name);
      if (index === undefined) {
        index = names.push(name) - 1;
        indexes.set(name, index);
        shared[NAMES] = names.length;
      }
      return index;
    },
    forgetMany() {
      if (indexes.size <= REMEMBERED_NODES) return;
      indexes.clear();
      names.length = 0;
      shared[NAMES] = 0;
      shared[GENERATION] += 1;
    },
  };
}

exports.createNames = createNames;
