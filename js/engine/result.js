"use strict";

const { hide } = require("../errors.js");

/** The conflicts of a result, where it has any. */
const met = new WeakMap();
exports.conflictsOf = (result) => met.get(result) ?? [];

function noteConflicts(result, conflicts) {
  hide(result, "conflicts", conflicts.length);
  if (conflicts.length > 0) met.set(result, conflicts);
}

/** The result of a reconciliation. */
exports.reconciledOf = ({ conflicts, ...result }) => {
  noteConflicts(result, conflicts);
  return result;
};

/**
 * The result of a round. What a round moved, and an empty list of what is held, are not listed: an app that compares a
 * result with the three fields of 0.1 finds them alone.
 */
exports.resultOf = function resultOf(report, held, conflicts) {
  const { moved, ...result } = report;
  for (const name in moved) hide(result, name, moved[name]);
  noteConflicts(result, conflicts);
  if (held.length === 0) hide(result, "held", held);
  else result.held = held;
  return result;
};

/** The same with all of its fields listed. */
exports.listed = (result) => {
  const all = {};
  for (const name of Object.getOwnPropertyNames(result)) all[name] = result[name];
  return all;
};
