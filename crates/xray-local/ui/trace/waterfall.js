//! The waterfall: a treegrid with virtual rows, one bar per entity.

import { h, replace, set } from "../dom.js";
import * as format from "../format.js";
import { serviceColor } from "../service_color.js";
import { outcome } from "../status_tag.js";
import { VirtualRows } from "../virtual.js";
import { shortAction } from "./action.js";
import { KIND } from "./model.js";
import { ticks } from "./time_axis.js";

const ROW_HEIGHT = 28;
const INDENT = 13;
// Deeper rows keep this indentation; their level is still said to screen readers.
const MAX_INDENT = 16;
const MIN_NAME_WIDTH = 180;

/** @typedef {import("./visible_rows.js").VisibleRow} VisibleRow */

/**
 * @typedef {object} WaterfallState
 * @property {import("./model.js").TraceModel} trace
 * @property {VisibleRow[]} rows
 * @property {[number, number]} window µs
 * @property {Map<number, import("./model.js").Stretch[]>} critical by row
 * @property {Map<number, import("./untraced.js").Gap[]>} gaps by row
 * @property {Map<number, import("./repeats.js").Group>} repeated groups by their parent
 * @property {Map<string, number>} problems number per entity
 * @property {Set<number>} matches
 * @property {Set<number>} closed
 * @property {Set<import("./repeats.js").Group>} open
 * @property {boolean} showCritical
 */

/**
 * Makes the waterfall.
 * @param {object} options
 * @param {(row: VisibleRow) => void} options.onToggle
 * @param {(row: VisibleRow) => void} options.onActivate
 * @param {(row: VisibleRow) => void} options.onMove
 */
export function waterfall({ onToggle, onActivate, onMove }) {
  const axis = h("div", { class: "axis-cell", role: "columnheader" }, h("span", { class: "visually-hidden" }, "Timeline"));
  const handle = h("div", { class: "column-handle", "aria-hidden": "true" });
  const head = h(
    "div",
    { class: "wf-row wf-head", role: "row", "aria-rowindex": "1" },
    h("div", { class: "wf-name", role: "columnheader" }, "Entity", handle),
    h("div", { class: "wf-duration", role: "columnheader" }, "Duration"),
    axis,
  );
  const body = h("div", { class: "wf-body", role: "rowgroup" });
  const lines = h("div", { class: "wf-lines" });
  const element = h(
    "div",
    { class: "waterfall", role: "treegrid", tabIndex: 0, "aria-label": "Timeline", "aria-readonly": "true" },
    h("div", { class: "wf-head-group", role: "rowgroup" }, head),
    h("div", { class: "wf-lines-layer", "aria-hidden": "true" }, lines),
    body,
  );
  /** @type {WaterfallState | null} */
  let state = null;
  let active = -1;
  const virtual = new VirtualRows(element, body, { rowHeight: ROW_HEIGHT, create, render });

  resizeBy(handle, element);

  function create() {
    const row = h(
      "div",
      { class: "wf-row", role: "row" },
      h("div", { class: "wf-name", role: "gridcell" }),
      h("div", { class: "wf-duration", role: "gridcell" }),
      h("div", { class: "wf-track", role: "gridcell", "aria-label": "Bar" }),
    );
    row.addEventListener("click", (event) => {
      const visible = state?.rows[Number(row.dataset.index)];
      if (!visible) return;
      setActive(Number(row.dataset.index));
      if (/** @type {Element} */ (event.target).closest(".twisty")) onToggle(visible);
      else onActivate(visible);
    });
    row.addEventListener("dblclick", () => {
      const visible = state?.rows[Number(row.dataset.index)];
      if (visible) onToggle(visible);
    });
    return row;
  }

  function render(element, index) {
    const visible = state.rows[index];
    if (!visible) return;
    const { trace } = state;
    const { row, group, depth } = visible;
    const members = group ? [...group.folded] : [row];
    const flags = worst(trace, members);
    const { kind, sign, word } = outcome(flags);
    const opens = group ? true : trace.hasChildren(row);
    const isOpen = group ? state.open.has(group) : opens && !state.closed.has(row);
    const first = trace.start[row];
    const last = members.reduce((most, i) => Math.max(most, trace.stop[i]), 0);
    const took = group ? members.reduce((sum, i) => sum + trace.stop[i] - trace.start[i], 0) : trace.durationOf(row);
    set(element, {
      id: `entity-row-${index}`,
      "data-index": String(index),
      "data-outcome": kind,
      "data-kind": String(trace.kind[row]),
      "aria-rowindex": String(index + 2),
      "aria-level": String(depth + 1),
      "aria-expanded": opens ? String(isOpen) : null,
      "aria-selected": String(index === active),
      "aria-label": describe(trace, visible, word, first, took),
      "--c": serviceColor(trace.service(row)),
    });
    element.toggleAttribute("data-active", index === active);
    element.toggleAttribute("data-match", !group && state.matches.has(row));
    element.toggleAttribute("data-segment", !group && trace.isSegment(row));

    const [nameCell, durationCell, track] = element.children;
    const indent = Math.min(depth, MAX_INDENT) * INDENT;
    set(nameCell, { "--indent": `${indent}px` });
    replace(
      nameCell,
      h("span", { class: "guides", "aria-hidden": "true" }),
      h("span", { class: opens ? `twisty${isOpen ? " open" : ""}` : "twisty none", "aria-hidden": "true" }),
      h("span", { class: "dot", "aria-hidden": "true" }),
      sign && kind !== "open" && h("span", { class: `sign ${kind}`, "aria-hidden": "true" }, sign),
      h("span", { class: "clip name" }, format.plain(trace.name(row), 120)),
      group && h("span", { class: "times" }, `×${members.length}`),
      h("span", { class: "clip action" }, shortAction(trace.action(row))),
      h("span", { class: "spring" }),
      tags(visible, flags),
    );
    replace(durationCell, took === null ? h("span", { class: "open-word" }, "open") : format.duration(took));
    drawTrack(track, visible, first, last);
  }

  function tags({ row, group }, flags) {
    const { trace } = state;
    const tag = (kind, text, title) => h("span", { class: `tag ${kind}`, title }, text);
    if (group) return group.finding ? tag("finding", group.finding) : null;
    const own = state.repeated.get(row);
    const status = trace.status[row];
    const problems = state.problems.get(trace.ids[row]);
    return [
      own && tag("finding", `${own.finding} ×${own.rows.length}`),
      flags.open && tag("open", "in progress"),
      trace.isOrphan(row) && tag("error", "no parent", "Its parent has not arrived"),
      trace.skews.has(row) && tag("", `moved ${format.duration(trace.skews.get(row))}`, "Its clock is behind its caller's: it was moved by this time"),
      problems && tag("error", "refused", "X-Ray would refuse or cut this"),
      status >= 400 && h("span", { class: `status ${outcome(flags).kind}` }, status),
      trace.kind[row] >= KIND.remote && h("span", { class: "kind" }, ["", "", "remote", "aws", "sql", "inferred"][trace.kind[row]]),
    ];
  }

  function drawTrack(track, { row, group }, first, last) {
    const { trace, window } = state;
    const [from, to] = window;
    const x = (time) => ((time - from) / (to - from)) * 100;
    const clip = (share) => Math.max(-1, Math.min(101, share));
    const piece = (kind, start, end) => {
      const left = clip(x(start));
      const right = clip(x(end));
      return right > left || (right >= 0 && left <= 100) ? h("i", { class: kind, "--x": `${left}%`, "--w": `${Math.max(0, right - left)}%` }) : null;
    };
    const parts = [];
    if (last < from) parts.push(h("i", { class: "outside before" }));
    else if (first > to) parts.push(h("i", { class: "outside after" }));
    else if (group) {
      parts.push(piece("bar span", first, last));
      // Hundreds of members in a few pixels need only one piece per pixel.
      let drawn = -1;
      for (const member of group.folded) {
        if (x(trace.stop[member]) < drawn + 0.15 && !trace.isBad(member)) continue;
        drawn = x(trace.stop[member]);
        parts.push(piece(trace.isBad(member) ? "bar bad" : "bar", trace.start[member], trace.stop[member]));
      }
    } else {
      // What has just begun would be invisible at the right end.
      if (trace.isOpen(row)) parts.push(piece("bar running", Math.min(first, last - (to - from) * 0.02), last));
      else parts.push(piece("bar", first, last));
      for (const gap of state.gaps.get(row) ?? []) parts.push(piece("gap", gap.start, gap.end));
      if (state.showCritical) for (const stretch of state.critical.get(row) ?? []) parts.push(piece("critical", stretch.start, stretch.end));
    }
    replace(track, parts);
  }

  function drawAxis() {
    const [from, to] = state.window;
    const times = ticks(from, to).map((time) => ({ time, x: (time - from) / (to - from) }));
    // A label at the right end would be cut.
    const labels = times.filter(({ x }) => x < 0.95).map(({ time, x }) => h("span", { class: "tick", "--x": `${x * 100}%` }, format.duration(time)));
    replace(axis, h("span", { class: "visually-hidden" }, "Timeline"), labels);
    replace(lines, times.map(({ x }) => h("i", { "--x": `${x * 100}%` })));
  }

  function setActive(index, options) {
    if (!state || index < 0 || index >= state.rows.length) return;
    active = index;
    virtual.refresh();
    virtual.reveal(index, options);
    element.setAttribute("aria-activedescendant", `entity-row-${index}`);
    onMove(state.rows[index]);
  }

  return {
    element,
    /** @param {WaterfallState} next */
    show(next) {
      const before = active >= 0 ? state?.rows[active] : null;
      state = next;
      active = before ? next.rows.findIndex((visible) => visible.row === before.row && Boolean(visible.group) === Boolean(before.group)) : -1;
      set(element, { "aria-rowcount": String(next.rows.length + 1), "aria-activedescendant": active >= 0 ? `entity-row-${active}` : null });
      drawAxis();
      virtual.setCount(next.rows.length);
    },
    active: () => (active >= 0 ? state.rows[active] : null),
    activeIndex: () => active,
    /** Makes an entity the active row; it must be visible. */
    select(row, options = { centre: true }) {
      const index = state.rows.findIndex((visible) => visible.row === row && !visible.group);
      if (index >= 0) setActive(index, options);
      return index >= 0;
    },
    move: (step) => setActive(active < 0 ? virtual.visible()[0] : Math.max(0, Math.min(state.rows.length - 1, active + step))),
    moveTo: (index) => setActive(index < 0 ? state.rows.length - 1 : index),
    page: (direction) => setActive(Math.max(0, Math.min(state.rows.length - 1, Math.max(0, active) + direction * virtual.pageSize()))),
    close: () => virtual.close(),
  };
}

function worst(trace, rows) {
  const flags = { fault: false, error: false, throttle: false, open: false };
  for (const row of rows) for (const [name, set] of Object.entries(trace.flagsOf(row))) flags[name] ||= set;
  return flags;
}

function describe(trace, { row, group }, word, start, took) {
  const kinds = ["segment", "", "remote", "AWS", "SQL", "inferred segment"];
  return [
    format.plain(trace.name(row), 120),
    group ? `${group.folded.size} times` : kinds[trace.kind[row]],
    shortAction(trace.action(row)),
    `starts at ${format.duration(start)}`,
    took === null ? "in progress" : format.duration(took),
    word === "ok" || (word === "in progress" && took === null) ? "" : word,
    group?.finding ?? "",
  ]
    .filter(Boolean)
    .join(", ");
}

/** Lets the pointer set the width of the first column, and remembers it. */
function resizeBy(handle, element) {
  const stored = Number(localStorage.getItem("nameWidth"));
  if (stored >= MIN_NAME_WIDTH) element.style.setProperty("--name-width", `${stored}px`);
  let from = null;
  handle.addEventListener("pointerdown", (event) => {
    from = { x: event.clientX, width: handle.parentElement.getBoundingClientRect().width };
    handle.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  handle.addEventListener("pointermove", (event) => {
    if (!from) return;
    const width = Math.max(MIN_NAME_WIDTH, Math.min(element.clientWidth - 200, from.width + event.clientX - from.x));
    element.style.setProperty("--name-width", `${width}px`);
    localStorage.setItem("nameWidth", String(Math.round(width)));
  });
  handle.addEventListener("pointerup", () => (from = null));
}
