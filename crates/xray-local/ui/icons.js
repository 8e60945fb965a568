//! Icons: strokes on a grid of 16.

import { svg } from "./dom.js";

const PATHS = {
  sun: "M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6ZM8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9",
  moon: "M13.2 9.6A5.6 5.6 0 0 1 6.4 2.8a5.6 5.6 0 1 0 6.8 6.8Z",
  system: "M2.5 3.5h11v7h-11zM6 13h4M8 10.5V13",
  keyboard: "M1.8 4h12.4v8H1.8zM4.3 6.6h.01M6.8 6.6h.01M9.2 6.6h.01M11.7 6.6h.01M5 9.4h6",
  search: "M7 2.8a4.2 4.2 0 1 0 0 8.4 4.2 4.2 0 0 0 0-8.4ZM10.2 10.2l3.3 3.3",
  down: "M4.5 6.2 8 9.8l3.5-3.6",
  up: "M4.5 9.8 8 6.2l3.5 3.6",
  left: "M9.8 4.5 6.2 8l3.6 3.5",
  close: "m4.2 4.2 7.6 7.6M11.8 4.2l-7.6 7.6",
  copy: "M5.5 5.5h7v8h-7zM3.5 10.5v-8h7",
  clock: "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2ZM8 5v3.2l2 1.3",
  filter: "M2.5 4h11M4.5 8h7M6.5 12h3",
  panel: "M2.5 3h11v10h-11zM6.3 3v10",
  trash: "M3 4.5h10M6.2 4.5V3h3.6v1.5M4.3 4.5l.6 8.5h6.2l.6-8.5",
  compare: "M5 2.5v11M11 2.5v11M2.5 5.5h5M8.5 9h5",
  plus: "M8 3.2v9.6M3.2 8h9.6",
  edit: "m10.6 3.2 2.2 2.2-7.2 7.2-2.8.6.6-2.8z",
  path: "M3 3.5h5v4.5h3v4.5h2.5",
};

/** @param {keyof typeof PATHS} name */
export function icon(name, size = 16) {
  return svg(
    "svg",
    { width: size, height: size, viewBox: "0 0 16 16", fill: "none", stroke: "currentColor", "stroke-width": 1.4, "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true" },
    svg("path", { d: PATHS[name] }),
  );
}

/** The mark of the program: three bars of a waterfall. */
export function mark() {
  return svg(
    "svg",
    { width: 22, height: 22, viewBox: "0 0 32 32", "aria-hidden": "true" },
    svg("rect", { width: 32, height: 32, rx: 8, fill: "#4c5fd7" }),
    svg("path", { d: "M7 10h12", stroke: "#fff", "stroke-width": 3, "stroke-linecap": "round" }),
    svg("path", { d: "M12 16h9", stroke: "#fff", "stroke-width": 3, "stroke-linecap": "round", opacity: 0.75 }),
    svg("path", { d: "M16 22h9", stroke: "#fff", "stroke-width": 3, "stroke-linecap": "round", opacity: 0.5 }),
  );
}
