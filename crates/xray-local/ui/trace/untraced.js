//! Untraced time: long stretches of an entity in which none of its children runs.

const MIN_MICROS = 10_000;
const MIN_SHARE = 0.05;

/** @typedef {{ row: number, start: number, end: number }} Gap µs from the beginning of the trace */

/**
 * Returns the gaps of all entities that have children.
 * @param {import("./model.js").TraceModel} trace
 * @returns {Gap[]}
 */
export function untraced(trace) {
  const least = Math.max(MIN_MICROS, MIN_SHARE * trace.duration);
  /** @type {Gap[]} */
  const gaps = [];
  for (let row = 0; row < trace.count; row += 1) {
    if (!trace.hasChildren(row) || trace.stop[row] - trace.start[row] < least) continue;
    let covered = trace.start[row];
    for (const child of trace.children(row)) {
      if (trace.start[child] - covered >= least) gaps.push({ row, start: covered, end: Math.min(trace.start[child], trace.stop[row]) });
      covered = Math.max(covered, trace.stop[child]);
    }
    if (trace.stop[row] - covered >= least) gaps.push({ row, start: covered, end: trace.stop[row] });
  }
  return gaps.filter((gap) => gap.end - gap.start >= least);
}
