//! Which rows the waterfall shows: entities that are open, groups of repeats folded to one row, or matches only.

/**
 * @typedef {{ row: number, depth: number, group?: undefined } | { group: import("./repeats.js").Group, row: number, depth: number }} VisibleRow
 * `row` of a group is its first member.
 */

/**
 * @typedef {object} View
 * @property {Set<number>} closed entities whose children are hidden
 * @property {Set<import("./repeats.js").Group>} open groups whose members are shown
 * @property {boolean} fold whether groups are used
 * @property {Uint8Array | null} only 1 for each row to show; null for all
 */

/**
 * Returns the visible rows in order.
 * @param {import("./model.js").TraceModel} trace
 * @param {import("./repeats.js").Group[]} groups
 * @param {View} view
 * @returns {VisibleRow[]}
 */
export function visibleRows(trace, groups, view) {
  /** @type {VisibleRow[]} */
  const rows = [];
  if (view.only) {
    for (let row = 0; row < trace.count; row += 1) if (view.only[row]) rows.push({ row, depth: trace.depth[row] });
    return rows;
  }
  // The number of each row's group, counted from 1: a map of 100,000 rows would take longer than all else here.
  const groupOf = new Uint32Array(trace.count);
  if (view.fold) groups.forEach(({ folded }, i) => folded.forEach((row) => (groupOf[row] = i + 1)));
  /** @type {VisibleRow[]} last in, first out */
  const stack = [];
  const pushChildren = (parent, depth) => {
    const seen = new Set();
    const found = [];
    for (const row of trace.children(parent)) {
      const group = groups[groupOf[row] - 1];
      if (!group) found.push({ row, depth });
      else if (!seen.has(group)) {
        seen.add(group);
        found.push({ group, row, depth });
      }
    }
    for (let i = found.length - 1; i >= 0; i -= 1) stack.push(found[i]);
  };
  pushChildren(-1, 0);
  while (stack.length) {
    const next = stack.pop();
    rows.push(next);
    if (next.group) {
      if (view.open.has(next.group)) for (const row of [...next.group.folded].reverse()) stack.push({ row, depth: next.depth + 1 });
    } else if (trace.hasChildren(next.row) && !view.closed.has(next.row)) pushChildren(next.row, next.depth + 1);
  }
  return rows;
}

/**
 * Marks rows and everything above them, for {@link View.only}.
 * @param {import("./model.js").TraceModel} trace
 * @param {Iterable<number>} rows
 */
export function withAncestors(trace, rows) {
  const marked = new Uint8Array(trace.count);
  for (const row of rows) for (let at = row; at >= 0 && !marked[at]; at = trace.parent[at]) marked[at] = 1;
  return marked;
}
