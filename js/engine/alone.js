"use strict";

/**
 * Does `work` with a database in which nothing else is written meanwhile: what is read in it is what is written over. A
 * store of this package has a transaction for that. An app's own adapter is called as it is: what its transaction does to
 * other calls is not known, and what it writes between a look and a put is its own to guard.
 */
exports.createAlone = (database, nativeOf) => (work) =>
  nativeOf(database) === undefined ? work(database) : database.transaction(work);
