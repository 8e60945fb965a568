//! The tab that shows where the time goes, per signature.

import { h } from "../dom.js";
import * as format from "../format.js";
import { serviceColor } from "../service_color.js";

const MAX_ROWS = 500;

/**
 * Makes the tab.
 * @param {import("./model.js").TraceModel} trace
 * @param {import("./own_time.js").Share[]} shares
 * @param {(row: number) => string} address of an entity in the timeline
 */
export function ownTimeTable(trace, shares, address) {
  const total = shares.reduce((sum, { own }) => sum + own, 0) || 1;
  const most = shares[0]?.own || 1;
  const row = ({ row, count, own, total: all }) =>
    h(
      "tr",
      {},
      h("td", {}, h("span", { class: "what" }, h("span", { class: "dot", "--c": serviceColor(trace.service(row)) }), h("a", { class: "clip", href: address(row), title: "The slowest one in the timeline" }, format.plain(trace.name(row), 100)), h("span", { class: "clip faint" }, format.plain(trace.action(row), 160)))),
      h("td", { class: "num" }, format.count(count)),
      h("td", { class: "num" }, h("span", { class: "size", "--share": own / most }, format.duration(own))),
      h("td", { class: "num" }, format.percent(own / total)),
      h("td", { class: "num" }, format.duration(all)),
      h("td", { class: "num" }, format.duration(trace.stop[row] - trace.start[row])),
    );
  const heads = [["What", ""], ["Count", "num"], ["Own time", "num"], ["Share", "num"], ["Total", "num"], ["Slowest", "num"]];
  return h(
    "div",
    { class: "page scrolls" },
    h(
      "div",
      { class: "column wide" },
      h("p", { class: "page-lead" }, "Own time is the time in which an entity works itself: its duration without that of the entities below it."),
      h(
        "div",
        { class: "table-scroll", tabIndex: 0, role: "region", "aria-label": "Own time" },
        h("table", { class: "table own-time" }, h("thead", {}, h("tr", {}, heads.map(([title, kind]) => h("th", { class: kind, scope: "col" }, title)))), h("tbody", {}, shares.slice(0, MAX_ROWS).map(row))),
      ),
      shares.length > MAX_ROWS && h("p", { class: "faint" }, `${format.count(shares.length - MAX_ROWS)} more with less own time`),
    ),
  );
}
