//! Two small charts: response times on a logarithmic scale, and traces over time. Dragging over one of them filters.

import { h, replace, set, svg } from "../dom.js";
import * as format from "../format.js";

const HEIGHT = 44;

/**
 * @typedef {object} Bucket
 * @property {number} from
 * @property {number} to
 * @property {number} count
 * @property {number} [faults]
 */

/**
 * Makes a chart.
 * @param {object} options
 * @param {string} options.title
 * @param {(value: number) => string} options.label names a value of the axis
 * @param {(from: number, to: number) => void} options.onSelect
 */
export function histogram({ title, label, onSelect }) {
  const bars = svg("svg", { class: "histogram", preserveAspectRatio: "none", height: HEIGHT, role: "img" });
  const brush = h("div", { class: "brush", hidden: true });
  const plot = h("div", { class: "plot" }, bars, brush);
  const axis = h("div", { class: "axis", "aria-hidden": "true" });
  const readout = h("span", { class: "readout" });
  const element = h("figure", { class: "chart" }, h("figcaption", {}, title, readout), plot, axis);
  /** @type {Bucket[]} */
  let buckets = [];
  let drag = null;

  const indexAt = (event) => {
    const box = plot.getBoundingClientRect();
    return Math.max(0, Math.min(buckets.length - 1, Math.floor(((event.clientX - box.left) / box.width) * buckets.length)));
  };
  const showRange = (first, last) => {
    const width = 100 / buckets.length;
    set(brush, { "--from": `${first * width}%`, "--width": `${(last - first + 1) * width}%`, hidden: false });
    const total = buckets.slice(first, last + 1).reduce((sum, bucket) => sum + bucket.count, 0);
    readout.textContent = `${label(buckets[first].from)} – ${label(buckets[last].to)} · ${format.plural(total, "trace")}`;
  };
  plot.addEventListener("pointerdown", (event) => {
    if (!buckets.length || event.button !== 0) return;
    plot.setPointerCapture(event.pointerId);
    drag = indexAt(event);
    showRange(drag, drag);
  });
  plot.addEventListener("pointermove", (event) => {
    if (!buckets.length) return;
    const at = indexAt(event);
    if (drag === null) showRange(at, at);
    else showRange(Math.min(drag, at), Math.max(drag, at));
  });
  plot.addEventListener("pointerup", (event) => {
    if (drag === null) return;
    const [first, last] = [Math.min(drag, indexAt(event)), Math.max(drag, indexAt(event))];
    drag = null;
    brush.hidden = true;
    onSelect(buckets[first].from, buckets[last].to);
  });
  plot.addEventListener("pointerleave", () => {
    if (drag !== null) return;
    brush.hidden = true;
    readout.textContent = "";
  });

  return {
    element,
    /** @param {Bucket[]} next */
    show(next) {
      buckets = next;
      const most = Math.max(1, ...buckets.map((bucket) => bucket.count));
      // A single trace among thousands must still be seen, hence the square root.
      const height = (count) => (count === 0 ? 0 : Math.max(2, Math.sqrt(count / most) * (HEIGHT - 2)));
      set(bars, { viewBox: `0 0 ${Math.max(1, buckets.length) * 10} ${HEIGHT}`, "aria-label": describe(title, buckets, label) });
      replace(
        bars,
        buckets.map((bucket, i) => {
          const top = height(bucket.count);
          const bad = bucket.faults ? Math.min(top, Math.max(Math.min(2, top / 2), (top * bucket.faults) / bucket.count)) : 0;
          return [
            top > 0 && svg("rect", { x: i * 10 + 1, width: 8, y: HEIGHT - top, height: top, rx: 1 }),
            bad > 0 && svg("rect", { class: "bad", x: i * 10 + 1, width: 8, y: HEIGHT - bad, height: bad, rx: 1 }),
          ];
        }),
      );
      const marks = buckets.length ? [0, 0.25, 0.5, 0.75].map((share) => buckets[Math.floor(share * buckets.length)].from) : [];
      replace(axis, marks.map((value) => h("span", {}, label(value))), buckets.length > 0 && h("span", {}, label(buckets.at(-1).to)));
    },
  };
}

function describe(title, buckets, label) {
  const filled = buckets.filter((bucket) => bucket.count > 0);
  if (!filled.length) return `${title}: no traces`;
  const top = filled.reduce((most, bucket) => (bucket.count > most.count ? bucket : most));
  return `${title}: from ${label(filled[0].from)} to ${label(filled.at(-1).to)}, most between ${label(top.from)} and ${label(top.to)}`;
}
