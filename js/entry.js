"use strict";

const { checkNode } = require("./node-version.js");

/**
 * The package as one of its entries shows it, with the error classes that this entry could load.
 *
 * All that can throw is in here and not at the top: where a module of CommonJS throws while an ES module imports it,
 * Node.js 20 and older end the process even if the app catches the error.
 */
exports.exportsWith = function exportsWith(peer) {
  checkNode();
  return require("./exports.js").exportsWith(peer);
};
