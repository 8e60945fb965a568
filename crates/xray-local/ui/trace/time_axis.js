//! Ticks of the waterfall's time axis.

/**
 * Returns round times between two others, at most `most` of them.
 * @param {number} from µs
 * @param {number} to µs
 * @returns {number[]}
 */
export function ticks(from, to, most = 6) {
  const raw = (to - from) / most;
  const power = 10 ** Math.floor(Math.log10(Math.max(raw, 1e-3)));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= raw);
  const found = [];
  for (let at = Math.ceil(from / step) * step; at <= to && found.length <= most + 1; at += step) found.push(at);
  return found;
}
