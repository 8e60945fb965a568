//! Own time: how long entities of one signature work themselves, apart from their children.

/**
 * @typedef {object} Share
 * @property {number} row the slowest of them
 * @property {number} count
 * @property {number} total µs
 * @property {number} own µs
 */

/**
 * Returns the own time per signature, the largest first.
 * @param {import("./model.js").TraceModel} trace
 * @returns {Share[]}
 */
export function ownTimes(trace) {
  /** @type {Map<number, Share>} */
  const shares = new Map();
  for (let row = 0; row < trace.count; row += 1) {
    const duration = trace.stop[row] - trace.start[row];
    const share = shares.get(trace.signature[row]) ?? { row, count: 0, total: 0, own: 0 };
    if (duration > trace.stop[share.row] - trace.start[share.row]) share.row = row;
    share.count += 1;
    share.total += duration;
    share.own += ownTime(trace, row);
    shares.set(trace.signature[row], share);
  }
  return [...shares.values()].sort((a, b) => b.own - a.own);
}

/** Returns the time of an entity in which none of its children runs. */
export function ownTime(trace, row) {
  let own = 0;
  let covered = trace.start[row];
  // Children come in the order in which they began, so one pass finds the union of their times.
  for (const child of trace.children(row)) {
    const start = Math.min(trace.start[child], trace.stop[row]);
    if (start > covered) own += start - covered;
    covered = Math.max(covered, Math.min(trace.stop[child], trace.stop[row]));
  }
  return own + Math.max(0, trace.stop[row] - covered);
}
