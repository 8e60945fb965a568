//! The list of traces: a grid with virtual rows.

import { h, replace, set } from "../dom.js";
import * as format from "../format.js";
import { traceAddress } from "../routes.js";
import { serviceColor } from "../service_color.js";
import { outcome, statusTag } from "../status_tag.js";
import { VirtualRows } from "../virtual.js";

const ROW_HEIGHT = 34;
const SHOWN_SERVICES = 4;

/** Columns in order; those with `sort` can be sorted by the program. */
const COLUMNS = [
  { title: "", label: "Chosen for comparison", kind: "choose" },
  { title: "Time", sort: "time", kind: "time" },
  { title: "Response", sort: "response", kind: "num wide" },
  { title: "Duration", sort: "duration", kind: "num" },
  { title: "Status", kind: "status" },
  { title: "Request", kind: "request" },
  { title: "Services", kind: "services" },
  { title: "Entities", sort: "entities", kind: "num" },
  { title: "Findings", kind: "findings" },
];

/**
 * Makes the list.
 * @param {object} options
 * @param {(row: import("../api.js").TraceRow) => void} options.onOpen
 * @param {(sort: string) => void} options.onSort
 * @param {(id: string) => void} options.onChoose
 * @param {() => void} options.onScroll
 */
export function traceList({ onOpen, onSort, onChoose, onScroll }) {
  const headers = COLUMNS.map((column) => {
    const cell = h("div", { class: `cell ${column.kind}`, role: "columnheader" });
    if (column.sort) cell.append(h("button", { tabIndex: -1, onclick: () => onSort(nextSort(sorted, column.sort)) }, column.title));
    else cell.append(column.title || h("span", { class: "visually-hidden" }, column.label));
    return cell;
  });
  const head = h("div", { class: "list-row list-head", role: "row", "aria-rowindex": "1" }, headers);
  const body = h("div", { class: "list-body", role: "rowgroup" });
  const element = h("div", { class: "list", role: "grid", tabIndex: 0, "aria-label": "Traces", "aria-readonly": "true" }, h("div", { role: "rowgroup", class: "list-head-group" }, head), body);

  /** @type {import("../api.js").TraceRow[]} */
  let rows = [];
  let total = 0;
  let active = -1;
  let activeId = "";
  let sorted = "-time";
  /** @type {string[]} */
  let chosen = [];
  /** @type {Map<string, number>} until when new rows are marked */
  const flashing = new Map();
  /** What each element shows, since most rows only move when traces arrive. */
  const drawn = new WeakMap();

  const virtual = new VirtualRows(element, body, { rowHeight: ROW_HEIGHT, create, render, key: (index) => rows[index]?.id });
  element.addEventListener("scroll", onScroll, { passive: true });

  function create() {
    const row = h("div", { class: "list-row", role: "row" });
    row.append(...COLUMNS.map(({ kind }) => h("div", { class: `cell ${kind}`, role: "gridcell" })));
    row.addEventListener("auxclick", (event) => {
      const trace = rows[Number(row.dataset.index)];
      if (trace && event.button === 1) openTab(trace);
    });
    row.addEventListener("click", (event) => {
      const index = Number(row.dataset.index);
      if (!rows[index]) return;
      setActive(index);
      if (/** @type {Element} */ (event.target).closest(".choose")) onChoose(rows[index].id);
      else if (event.metaKey || event.ctrlKey) openTab(rows[index]);
      else onOpen(rows[index]);
    });
    return row;
  }

  function render(element, index) {
    const row = rows[index];
    set(element, { id: `trace-row-${index}`, "aria-rowindex": String(index + 2), "data-index": String(index), "aria-selected": String(index === active) });
    element.toggleAttribute("data-active", index === active);
    const cells = element.children;
    element.classList.toggle("loading", !row);
    if (!row) {
      drawn.delete(element);
      for (const cell of cells) replace(cell, h("span", { class: "skeleton" }, "\u00a0".repeat(8)));
      element.setAttribute("aria-label", "Loading");
      return;
    }
    const isChosen = chosen.includes(row.id);
    element.classList.toggle("flash", flashing.has(row.id));
    const shows = drawn.get(element);
    if (shows?.row === row && shows.changes === row.changes && shows.isChosen === isChosen) return;
    drawn.set(element, { row, changes: row.changes, isChosen });
    const { kind } = outcome(row);
    element.dataset.outcome = kind;
    element.setAttribute("aria-label", describe(row));
    element.toggleAttribute("data-chosen", isChosen);
    replace(cells[0], h("span", { class: "choose-box", "aria-label": isChosen ? "chosen for comparison" : null, role: isChosen ? "img" : null }, isChosen ? "✓" : ""));
    replace(cells[1], h("span", { title: format.iso(row.start) }, format.clock(row.start)));
    const share = row.response === null ? 0 : Math.min(1, Math.max(0.02, Math.log10(Math.max(1, row.response / 100)) / 5));
    replace(cells[2], h("span", { class: "spark", "aria-hidden": "true", "--share": share }), h("span", { class: "value" }, row.response === null ? "–" : format.duration(row.response)));
    replace(cells[3], h("span", { class: row.duration === row.response ? "faint" : null }, format.duration(row.duration)));
    replace(cells[4], statusTag(row, row.status));
    replace(
      cells[5],
      row.method && h("span", { class: "method" }, format.plain(row.method, 12)),
      h("span", { class: "clip", title: format.plain(row.url ?? row.name, 500) }, format.plain(format.urlPath(row.url) || row.name)),
      row.url && h("span", { class: "clip host" }, format.plain(row.name, 80)),
    );
    const services = row.services.slice(0, SHOWN_SERVICES).map((name) => h("span", { class: "dot", "--c": serviceColor(name) }));
    const more = row.services.length - SHOWN_SERVICES;
    replace(cells[6], h("span", { class: "dots", title: row.services.map((name) => format.plain(name, 80)).join("\n") }, services), more > 0 && h("span", { class: "faint" }, `+${more}`));
    replace(cells[7], format.count(row.entities));
    replace(cells[8], findings(row));
  }

  function setActive(index) {
    if (index < 0 || index >= total) return;
    active = index;
    activeId = rows[index]?.id ?? "";
    virtual.refresh();
    virtual.reveal(index);
    element.setAttribute("aria-activedescendant", `trace-row-${index}`);
  }

  return {
    element,
    /** @param {{ rows: import("../api.js").TraceRow[], total: number, sort: string, chosen: string[] }} state */
    show(state) {
      ({ rows, total, chosen } = state);
      sorted = state.sort;
      if (activeId && rows[active]?.id !== activeId) active = rows.findIndex((row) => row.id === activeId);
      headers.forEach((cell, i) => {
        const { sort } = COLUMNS[i];
        const direction = sort && sorted.replace("-", "") === sort ? (sorted.startsWith("-") ? "descending" : "ascending") : null;
        set(cell, { "aria-sort": direction });
      });
      set(element, { "aria-rowcount": String(total + 1), "aria-activedescendant": active >= 0 ? `trace-row-${active}` : null });
      virtual.setCount(total);
    },
    /** Marks rows that have just arrived. */
    flash(ids) {
      const now = performance.now();
      for (const [id, until] of flashing) if (until < now) flashing.delete(id);
      for (const id of ids) flashing.set(id, now + 900);
    },
    move(step) {
      setActive(active < 0 ? virtual.visible()[0] : Math.max(0, Math.min(total - 1, active + step)));
    },
    moveTo: (index) => setActive(index < 0 ? total - 1 : index),
    page: (direction) => setActive(Math.max(0, Math.min(total - 1, Math.max(0, active) + direction * virtual.pageSize()))),
    active: () => rows[active],
    /** The place of the reader, for {@link restore}. */
    position: () => ({ top: element.scrollTop, id: activeId }),
    /** Returns to a place after the first rows are shown. */
    restore({ top, id }) {
      element.scrollTop = top;
      active = rows.findIndex((row) => row.id === id);
      activeId = active >= 0 ? id : "";
      if (active >= 0) element.setAttribute("aria-activedescendant", `trace-row-${active}`);
      virtual.refresh();
    },
    isAtTop: () => element.scrollTop < ROW_HEIGHT,
    scrollToTop: () => (element.scrollTop = 0),
    /** The index after the last visible row. */
    lastVisible: () => virtual.visible()[1],
    close: () => virtual.close(),
  };
}

const openTab = (row) => window.open(traceAddress(row.id), "_blank", "noopener");

function nextSort(sorted, column) {
  return sorted === `-${column}` ? column : `-${column}`;
}

function findings(row) {
  const tag = (kind, text, title) => h("span", { class: `tag ${kind}`, title }, text);
  return [
    row.repeats > 0 && tag("finding", `N+1 ×${row.repeats}`, "The same call, one after the other"),
    row.anyFault && !row.fault && tag("fault", "fault inside", "A fault below the root did not reach it"),
    row.open && (row.fault || row.error || row.throttle) && tag("open", "in progress"),
    row.orphans && tag("error", "incomplete", "The parent of some entities has not arrived"),
  ];
}

/** What a screen reader says for a row. */
function describe(row) {
  const { word } = outcome(row);
  return [
    format.clock(row.start),
    [row.method, format.urlPath(row.url) || row.name].filter(Boolean).map((text) => format.plain(text, 120)).join(" "),
    row.status ? `status ${row.status}` : "",
    word,
    `response ${row.response === null ? "not yet" : format.duration(row.response)}`,
    format.plural(row.entities, "entity", "entities"),
    row.services.slice(0, 5).map((name) => format.plain(name, 60)).join(", "),
    row.repeats ? `${row.repeats} repeated calls` : "",
  ]
    .filter(Boolean)
    .join(", ");
}
