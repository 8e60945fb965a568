//! Buckets of the list's charts, from the program's counts.

const MIN_DECADE = 3; // 1 ms
const MAX_DECADE = 7; // 10 s
const MAX_BARS = 60;

/** @typedef {import("./histogram.js").Bucket} Bucket */

/**
 * Fills the gaps between counts of response times: a tenth of a decade each, at least from 1 ms to 10 s.
 * @param {[number, number][]} counts lower bound in µs, number of traces
 * @returns {Bucket[]}
 */
export function latencyBuckets(counts) {
  const tenth = (micros) => Math.round(Math.log10(Math.max(1, micros)) * 10);
  const found = new Map();
  for (const [from, count] of counts) if (from > 0) found.set(tenth(from), (found.get(tenth(from)) ?? 0) + count);
  const first = Math.min(MIN_DECADE * 10, ...found.keys());
  const last = Math.max(MAX_DECADE * 10 - 1, ...found.keys());
  return Array.from({ length: last - first + 1 }, (_, i) => ({
    from: 10 ** ((first + i) / 10),
    to: 10 ** ((first + i + 1) / 10),
    count: found.get(first + i) ?? 0,
  }));
}

/**
 * Joins minutes to at most 60 bars of equal width without gaps.
 * @param {[number, number, number][]} minutes start in µs, number of traces, those with a fault
 * @returns {Bucket[]}
 */
export function timeBuckets(minutes) {
  if (!minutes.length) return [];
  const minute = 60e6;
  const starts = minutes.map(([start]) => start);
  const newest = Math.max(...starts);
  // A trace with an impossible clock must not squeeze all others into one bar.
  const oldest = Math.min(...starts.filter((start) => start > newest - 7 * 24 * 60 * minute));
  const spanned = (newest - oldest) / minute + 1;
  const width = Math.max(1, Math.ceil(spanned / MAX_BARS)) * minute;
  const bars = Math.max(15, Math.ceil((spanned * minute) / width));
  const first = newest + minute - bars * width;
  const buckets = Array.from({ length: bars }, (_, i) => ({ from: first + i * width, to: first + (i + 1) * width, count: 0, faults: 0 }));
  for (const [start, count, faults] of minutes) {
    const bucket = buckets[Math.floor((start - first) / width)];
    if (!bucket) continue;
    bucket.count += count;
    bucket.faults += faults;
  }
  return buckets;
}

/** Names a time on the axis. */
export function timeLabel(micros) {
  return new Date(micros / 1e3).toLocaleTimeString("en", { hour: "2-digit", minute: "2-digit", hour12: false });
}
