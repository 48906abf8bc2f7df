"use strict";

/**
 * The places of the memory that both sides read and write; `src/node/value/shared_buffer.rs` has the same ones.
 */

const SHARED_LENGTH = 512;
/** Changes when the numbering of the names begins anew, and how many names there are. */
const GENERATION = 0;
const NAMES = 1;
/** Of a call: the number of its wait, and of the method's name. */
const WAIT = 2;
const METHOD = 3;
/** What became of it. */
const STATE = 4;
const ANSWERED = 0;
const WAITING = 1;
const NOT_CALLABLE = 2;
const FULFILLED = 0;
const REJECTED = 1;
/** Of entries, how many there are; of a record, where it is kept. */
const COUNT = 5;
const SLOT = 6;
/** What the call is about. */
const FIRST = 8;

/** Numbers of a timestamp: wall time, counter, and the number of the node's name. */
const STRIDE = 3;
/** Timestamps that have a place at once; for more there is an array apart. */
const PAGE_LENGTH = 4096 * STRIDE;
/** Numbers of a watermark: that of the name it stands under, and its timestamp. */
const ENTRY_STRIDE = 4;
const LETTERS_LENGTH = 1024;

module.exports = {
  ANSWERED,
  COUNT,
  SHARED_LENGTH,
  ENTRY_STRIDE,
  FIRST,
  FULFILLED,
  GENERATION,
  LETTERS_LENGTH,
  METHOD,
  NAMES,
  NOT_CALLABLE,
  PAGE_LENGTH,
  REJECTED,
  SLOT,
  STATE,
  STRIDE,
  WAIT,
  WAITING,
};
