"use strict";

/** Whether no half of a surrogate pair stands alone in it: UTF-8 has no way to write one. */
exports.isWellFormed = (string) => !/\p{Surrogate}/u.test(string);
