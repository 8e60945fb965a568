//! Repeated calls: N+1 and fan-out as findings, and groups that fold to one row.

import { groupBy } from "../group_by.js";

const MIN_FINDING = 5;
const MIN_FOLD = 10;
const MIN_SHARE = 0.01;
// A member with this many times the usual number of entities below it stays a row of its own.
const UNLIKE = 4;

/**
 * @typedef {object} Group siblings that do the same with other values
 * @property {number} parent -1 for roots
 * @property {number[]} rows in the order in which they began
 * @property {"N+1" | "fan-out" | null} finding
 * @property {Set<number>} folded the rows that fold to one; empty if too few are alike
 * @property {number} total µs of all of them
 */

/**
 * Finds groups of at least five siblings with one signature.
 * @param {import("./model.js").TraceModel} trace
 * @returns {Group[]}
 */
export function repeats(trace) {
  /** @type {Group[]} */
  const groups = [];
  for (let parent = -1; parent < trace.count; parent += 1) {
    const last = parent < 0 ? trace.count : trace.end[parent];
    if (last - parent - 1 < MIN_FINDING) continue;
    for (const rows of groupBy(trace.children(parent), (child) => trace.signature[child]).values()) {
      if (rows.length >= MIN_FINDING) groups.push(group(trace, parent, rows));
    }
  }
  return groups;
}

function group(trace, parent, rows) {
  const total = rows.reduce((sum, row) => sum + trace.stop[row] - trace.start[row], 0);
  const sequential = rows.every((row, i) => i === 0 || trace.start[row] >= trace.stop[rows[i - 1]]);
  const counts = parent >= 0 && total >= MIN_SHARE * trace.duration;
  return { parent, rows, finding: counts ? (sequential ? "N+1" : "fan-out") : null, folded: alike(trace, rows), total };
}

/** Returns the rows with a usual number of entities below them: folding others would hide the structure of the trace. */
function alike(trace, rows) {
  const below = (row) => trace.end[row] - row;
  const usual = rows.map(below).sort((a, b) => a - b)[rows.length >> 1];
  const folded = rows.filter((row) => below(row) <= UNLIKE * usual);
  return new Set(folded.length >= MIN_FOLD ? folded : []);
}
