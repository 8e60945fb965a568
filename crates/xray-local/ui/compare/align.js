//! Aligns two traces: what both did, what only one of them did, and how long each took.

import { groupBy } from "../group_by.js";
import { ownTime } from "../trace/own_time.js";

/** Beyond this many cells, siblings are aligned by first occurrence rather than by their longest common subsequence. */
const MAX_CELLS = 250_000;

/**
 * @typedef {object} Side the entities of one trace at a place of the common tree
 * @property {number[]} rows
 * @property {number} total µs
 * @property {number} own µs
 */

/** @typedef {{ depth: number, name: string, action: string, a: Side | null, b: Side | null }} AlignedRow */

/** Returns what an entity does, without the values that differ from request to request. */
export function signature(trace, row) {
  const action = trace
    .action(row)
    .replace(/\?.*$/, "")
    .replace(/\s+/g, " ")
    .replace(/[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{8,}\b|\d+/gi, "*");
  return `${trace.kind[row]}|${trace.name(row)}|${action}`;
}

/**
 * Aligns two traces by the path of signatures. Repetitions below one parent are joined.
 * @param {import("../trace/model.js").TraceModel} a
 * @param {import("../trace/model.js").TraceModel} b
 * @returns {AlignedRow[]} in pre-order
 */
export function align(a, b) {
  /** @type {AlignedRow[]} */
  const rows = [];
  const stack = pairs(a, [-1], b, [-1], 0).reverse();
  while (stack.length) {
    const { left, right, depth } = stack.pop();
    const [trace, row] = left.length ? [a, left[0]] : [b, right[0]];
    rows.push({ depth, name: trace.name(row), action: trace.action(row), a: side(a, left), b: side(b, right) });
    stack.push(...pairs(a, left, b, right, depth + 1).reverse());
  }
  return rows;
}

/** Pairs the children of two sets of entities. */
function pairs(a, parentsA, b, parentsB, depth) {
  const left = grouped(a, parentsA);
  const right = grouped(b, parentsB);
  return merge([...left.keys()], [...right.keys()]).map((key) => ({ left: left.get(key) ?? [], right: right.get(key) ?? [], depth }));
}

function grouped(trace, parents) {
  const children = parents.flatMap((parent) => [...trace.children(parent)]);
  return groupBy(children, (child) => signature(trace, child));
}

/** Merges two orders into one that keeps both, as far as their longest common subsequence allows. */
export function merge(left, right) {
  const common = left.length * right.length > MAX_CELLS ? [] : commonSubsequence(left, right);
  const merged = [];
  const done = new Set();
  const add = (key) => {
    if (done.has(key)) return;
    done.add(key);
    merged.push(key);
  };
  let i = 0;
  let j = 0;
  for (const key of common) {
    while (left[i] !== key) add(left[i++]);
    while (right[j] !== key) add(right[j++]);
    add(key);
    i += 1;
    j += 1;
  }
  left.slice(i).forEach(add);
  right.slice(j).forEach(add);
  return merged;
}

function commonSubsequence(left, right) {
  const width = right.length + 1;
  const length = new Uint32Array((left.length + 1) * width);
  for (let i = left.length - 1; i >= 0; i -= 1) {
    for (let j = right.length - 1; j >= 0; j -= 1) {
      length[i * width + j] = left[i] === right[j] ? length[(i + 1) * width + j + 1] + 1 : Math.max(length[(i + 1) * width + j], length[i * width + j + 1]);
    }
  }
  const common = [];
  for (let i = 0, j = 0; i < left.length && j < right.length; ) {
    if (left[i] === right[j]) {
      common.push(left[i]);
      i += 1;
      j += 1;
    } else if (length[(i + 1) * width + j] >= length[i * width + j + 1]) i += 1;
    else j += 1;
  }
  return common;
}

function side(trace, rows) {
  if (!rows.length) return null;
  return {
    rows,
    total: rows.reduce((sum, row) => sum + trace.stop[row] - trace.start[row], 0),
    own: rows.reduce((sum, row) => sum + ownTime(trace, row), 0),
  };
}
