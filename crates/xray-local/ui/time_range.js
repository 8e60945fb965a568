//! The time range of lists and maps: a duration before now, or from one time to another, as in the console's addresses.

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { openMenu } from "./popup.js";

const RANGES = [
  ["PT5M", "Last 5 minutes"],
  ["PT15M", "Last 15 minutes"],
  ["PT1H", "Last hour"],
  ["PT6H", "Last 6 hours"],
  ["P1D", "Last day"],
];

/** Names a range: `Last hour`, or its two times. */
function rangeTitle(range) {
  if (!range) return "All time";
  const known = RANGES.find(([value]) => value === range);
  if (known) return known[1];
  const [from, to] = range.split("~").map((time) => new Date(time));
  if (to && !Number.isNaN(from.getTime()) && !Number.isNaN(to.getTime())) {
    const options = /** @type {const} */ ({ hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
    return `${from.toLocaleTimeString("en", options)} – ${to.toLocaleTimeString("en", options)}`;
  }
  return range;
}

/** Writes the range between two epoch times in microseconds. */
export function rangeBetween(from, to) {
  return `${new Date(from / 1e3).toISOString()}~${new Date(to / 1e3).toISOString()}`;
}

/** Makes the button with the menu of ranges. */
export function timeRangeButton(onChange) {
  let range = "";
  const title = h("span", {}, rangeTitle(range));
  const button = h("button", { class: "button", "aria-haspopup": "menu", "aria-expanded": "false" }, icon("clock"), title, icon("down", 14));
  button.addEventListener("click", () => {
    const items = [["", "All time"], ...RANGES].map(([value, name]) => ({ title: name, checked: value === range, run: () => onChange(value) }));
    openMenu(button, items);
  });
  return {
    element: button,
    show(value) {
      range = value;
      title.textContent = rangeTitle(value);
    },
  };
}
