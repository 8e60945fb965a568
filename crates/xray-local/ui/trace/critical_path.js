//! The critical path: the work that the response waited for.

/** @typedef {{ row: number, start: number, end: number }} Stretch µs from the beginning of the trace */

/**
 * Returns the stretches on the critical path of the first root, from the last to the first.
 *
 * It is followed from the root's end: of the children that ended by then, the last to end is what the parent waited for. The
 * time after that end is the parent's own. It continues at the end of that child inside it, and at its start next to it.
 * @param {import("./model.js").TraceModel} trace
 * @returns {Stretch[]}
 */
export function criticalPath(trace) {
  /** @type {Stretch[]} */
  const path = [];
  if (trace.count === 0) return path;
  const add = (row, start, end) => end > start && path.push({ row, start, end });
  /** @type {{ row: number, from: number, at: number, children: number[], next: number }[]} */
  const stack = [enter(trace, 0, trace.start[0], trace.stop[0])];
  while (stack.length) {
    const frame = stack[stack.length - 1];
    let child = -1;
    let end = 0;
    while (frame.next < frame.children.length && child < 0) {
      const candidate = frame.children[frame.next++];
      end = Math.min(trace.stop[candidate], trace.stop[frame.row]);
      // Work that continues after its caller ended, or that lies outside, is nothing the response waited for.
      if (end <= frame.at && end > frame.from && trace.start[candidate] < end) child = candidate;
    }
    if (child < 0) {
      add(frame.row, frame.from, frame.at);
      stack.pop();
      continue;
    }
    add(frame.row, end, frame.at);
    frame.at = Math.max(frame.from, trace.start[child]);
    stack.push(enter(trace, child, frame.at, end));
  }
  return path;
}

function enter(trace, row, from, at) {
  const stop = (i) => Math.min(trace.stop[i], trace.stop[row]);
  const children = [...trace.children(row)].sort((a, b) => stop(b) - stop(a));
  return { row, from, at, children, next: 0 };
}
