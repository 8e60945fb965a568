//! The time range of lists and maps: a duration before now, or from one time to another, as in the console's addresses.

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { openMenu } from "./popup.js";
import { askForRange } from "./range_dialog.js";
import { endsOf, RANGES, rangeTitle } from "./time_range_text.js";

/** Makes the button with the menu of ranges. */
export function timeRangeButton(onChange) {
  let range = "";
  const title = h("span", {}, rangeTitle(range));
  const button = h("button", { class: "button", "aria-haspopup": "menu", "aria-expanded": "false" }, icon("clock"), title, icon("down", 14));
  button.addEventListener("click", () => {
    const items = [["", "All time"], ...RANGES].map(([value, name]) => ({ title: name, checked: value === range, run: () => onChange(value) }));
    openMenu(button, [...items, "separator", { title: "From … to …", checked: range.includes("~"), run: () => askForRange(/** @type {[number, number]} */ (endsOf(range)), onChange) }]);
  });
  return {
    element: button,
    show(value) {
      range = value;
      title.textContent = rangeTitle(value);
    },
  };
}
