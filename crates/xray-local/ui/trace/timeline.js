//! The timeline: minimap, findings, waterfall, details, and the keys that move through them.

import { h, replace, set } from "../dom.js";
import * as format from "../format.js";
import { groupBy } from "../group_by.js";
import { icon } from "../icons.js";
import { bindKeys } from "../keys.js";
import { announce, toast } from "../popup.js";
import { setParams } from "../router.js";
import { drawer } from "./drawer.js";
import { Finder } from "./find.js";
import { minimap } from "./minimap.js";
import { repeats } from "./repeats.js";
import { untraced } from "./untraced.js";
import { visibleRows, withAncestors } from "./visible_rows.js";
import { waterfall } from "./waterfall.js";

const ZOOM_STEP = 1.6;
const PAN_STEP = 0.2;
const MAX_CHIPS = 4;
/** Share of the trace from which "≥ 1 %" shows an entity. */
const MIN_SHARE = 0.01;

/**
 * Makes the timeline.
 * @param {object} options
 * @param {(entity: string) => Promise<any>} options.loadEntity
 * @param {() => Promise<any>} options.loadDocuments
 * @param {(json: any) => any} options.sampling
 */
export function timeline({ loadEntity, loadDocuments, sampling }) {
  /** @type {import("./model.js").TraceModel | null} */
  let trace = null;
  /** @type {Finder | null} */
  let finder = null;
  /** @type {number[]} rows on the critical path in the order of time, each once */
  let critical = [];
  let groups = [];
  /** @type {import("./refuse.js").Problem[]} */
  let problems = [];
  let byRow = { critical: new Map(), gaps: new Map(), repeated: new Map(), problems: new Map() };
  /** @type {number[]} */
  let matches = [];
  let bad = [];
  const closed = new Set();
  const open = new Set();
  let fold = true;
  let options = { entity: "", find: "", only: "", critical: true };
  /** @type {[number, number]} µs */
  let range = [0, 1];
  let detailsOf = "";

  const map = minimap((from, to) => zoomTo(from * trace.duration, to * trace.duration));
  const details = drawer({ onClose: () => setParams({ entity: null }), onSelect: (id) => setParams({ entity: id }) });
  const rows = waterfall({ onToggle: toggle, onActivate: activate, onMove: moved });
  const chips = h("div", { class: "chips", role: "list", "aria-label": "Findings" });
  const summary = h("span", {});
  const element = h(
    "div",
    { class: "timeline" },
    map.element,
    chips,
    h("div", { class: "timeline-main" }, rows.element, details.element),
    h(
      "div",
      { class: "footer" },
      summary,
      h("span", { class: "spring" }),
      h("span", { class: "hints" }, [["e", "next error"], ["/", "find"], ["c", "critical path"], [".", "next on it"], ["↵", "details"], ["?", "keys"]].map(([key, what]) => h("span", {}, h("kbd", {}, key), ` ${what}`))),
    ),
  );

  const findInput = /** @type {HTMLInputElement} */ (h("input", { class: "input find", type: "search", placeholder: "Find", "aria-label": "Find in all fields", spellcheck: "false" }));
  const findCount = h("span", { class: "find-count" });
  const only = ["", "errors", "share", "matches"].map((value) =>
    h("button", { "aria-pressed": "false", title: { "": "All entities", errors: "Entities with an error, and what is above them", share: "Entities of at least 1 % of the trace", matches: "Entities that match the find (o)" }[value], onclick: () => setParams({ only: value || null }) }, { "": "All", errors: "Errors", share: "≥ 1 %", matches: "Matches" }[value]),
  );
  const criticalSwitch = h("button", { class: "button small", title: "Critical path (c)", "aria-label": "Critical path", onclick: () => setParams({ critical: options.critical ? "0" : null }) }, icon("path", 14), h("span", {}, "Critical path"));
  const tools = [
    h(
      "div",
      { class: "find-box", role: "search" },
      icon("search", 14),
      findInput,
      findCount,
      h("button", { class: "icon-button small", "aria-label": "Previous match", title: "Previous match (N)", onclick: () => nextMatch(-1) }, icon("up", 14)),
      h("button", { class: "icon-button small", "aria-label": "Next match", title: "Next match (n)", onclick: () => nextMatch(1) }, icon("down", 14)),
    ),
    h("div", { class: "segmented", role: "group", "aria-label": "Show" }, only),
    criticalSwitch,
  ];

  let typing = 0;
  findInput.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => setParams({ find: findInput.value.trim() || null }), 80);
  });
  findInput.addEventListener("focus", () => void index());
  findInput.addEventListener("keydown", (event) => {
    if (event.key === "Enter") nextMatch(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") rows.element.focus();
    else return;
    event.preventDefault();
  });
  rows.element.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "f") {
      event.preventDefault();
      focusFind();
    }
  });

  const bindings = [
    { keys: ["ArrowDown", "j"], title: "Next row", run: () => rows.move(1) },
    { keys: ["ArrowUp", "k"], title: "Previous row", run: () => rows.move(-1) },
    { keys: ["ArrowRight"], title: "Open, or first child", run: () => expand() },
    { keys: ["ArrowLeft"], title: "Close, or parent", run: () => collapse() },
    { keys: ["*"], title: "Open all siblings", run: openSiblings },
    { keys: ["i"], title: "One level more", run: () => changeLevel(1) },
    { keys: ["u"], title: "One level less", run: () => changeLevel(-1) },
    { keys: ["PageDown"], title: "One page down", run: () => rows.page(1) },
    { keys: ["PageUp"], title: "One page up", run: () => rows.page(-1) },
    { keys: ["Home"], title: "First row", run: () => rows.moveTo(0) },
    { keys: ["End"], title: "Last row", run: () => rows.moveTo(-1) },
    { keys: ["Enter"], title: "Details", run: () => (rows.active() ? activate(rows.active()) : false) },
    { keys: ["/"], title: "Find in all fields (also Ctrl F)", run: focusFind },
    { keys: ["n"], title: "Next match", run: () => nextMatch(1) },
    { keys: ["N"], title: "Previous match", run: () => nextMatch(-1) },
    { keys: ["e"], title: "Next error", run: () => step(bad, 1, "error") },
    { keys: ["E"], title: "Previous error", run: () => step(bad, -1, "error") },
    { keys: ["c"], title: "Critical path", run: () => criticalSwitch.click() },
    { keys: ["."], title: "Next part of the critical path", run: () => step(critical, 1, "part of the critical path") },
    { keys: ["+", "="], title: "Zoom to the row, then in", run: zoomIn },
    { keys: ["-"], title: "Zoom out", run: () => zoomBy(ZOOM_STEP) },
    { keys: ["0"], title: "Whole trace", run: () => zoomTo(0, trace.duration) },
    { keys: ["h"], title: "Pan to earlier", run: () => pan(-PAN_STEP) },
    { keys: ["l"], title: "Pan to later", run: () => pan(PAN_STEP) },
    { keys: ["o"], title: "Only matches", run: () => setParams({ only: options.only === "matches" ? null : "matches" }) },
    { keys: ["G"], title: "Group repeats", run: toggleGroups },
  ];
  bindKeys("Timeline", bindings.map((binding) => ({ ...binding, run: () => (trace ? binding.run() : false) })));

  function draw() {
    if (!trace) return;
    const matched = new Set(matches);
    const visible = visibleRows(trace, groups, { closed, open, fold, only: restriction() });
    rows.show({ trace, rows: visible, window: range, matches: matched, closed, open, showCritical: options.critical, ...byRow });
    set(criticalSwitch, { "aria-pressed": String(options.critical) });
    only.forEach((button, i) => set(button, { "aria-pressed": String(["", "errors", "share", "matches"][i] === options.only) }));
    set(only[3], { disabled: !options.find });
    map.setWindow(range[0] / trace.duration, range[1] / trace.duration);
    const parts = [format.plural(trace.count, "entity", "entities")];
    if (visible.length !== trace.count) parts.push(`${format.count(visible.length)} shown`);
    if (bad.length) parts.push(format.plural(bad.length, "error"));
    parts.push(`${format.count(critical.length)} on the critical path`);
    summary.textContent = parts.join(" · ");
  }

  function restriction() {
    if (options.only === "errors") return withAncestors(trace, bad);
    if (options.only === "matches" && options.find) return withAncestors(trace, matches);
    if (options.only !== "share") return null;
    const large = [];
    for (let i = 0; i < trace.count; i += 1) if (trace.stop[i] - trace.start[i] >= MIN_SHARE * trace.duration) large.push(i);
    return withAncestors(trace, large);
  }

  function drawChips() {
    const jump = (row) => () => reveal(row);
    const chip = (kind, title, detail, run) => h("span", { role: "listitem" }, h("button", { class: `chip ${kind}`, onclick: run }, h("strong", {}, title), detail && h("span", { class: "clip" }, detail)));
    const found = joined(trace, groups);
    const gaps = [...byRow.gaps.values()].flat().sort((a, b) => b.end - b.start - (a.end - a.start));
    const orphans = Array.from({ length: trace.count }, (_, i) => i).filter((i) => trace.isOrphan(i));
    const all = [
      ...found.slice(0, MAX_CHIPS).map(({ row, finding, count, total }) => chip("finding", `${finding} ×${format.count(count)}`, `${format.plain(trace.name(row), 40)} · ${format.duration(total)}`, jump(row))),
      bad.length > 0 && chip("fault", format.plural(bad.length, "error"), format.plain(trace.name(bad.at(-1)), 40), () => step(bad, 1, "error")),
      gaps.length > 0 && chip("", `${format.duration(gaps[0].end - gaps[0].start)} untraced`, `${format.plain(trace.name(gaps[0].row), 40)}${gaps.length > 1 ? ` and ${gaps.length - 1} more` : ""}`, jump(gaps[0].row)),
      problems.length > 0 && chip("error", "X-Ray would refuse or cut", format.plural(problems.length, "problem"), () => problems[0].entity && trace.indexOf.has(problems[0].entity) ? jump(trace.indexOf.get(problems[0].entity))() : toast(problems[0].text)),
      orphans.length > 0 && chip("error", "Incomplete", `${format.plural(orphans.length, "parent")} missing`, jump(orphans[0])),
      trace.skews.size > 0 && chip("", "Clocks differ", [...trace.skews].slice(0, 2).map(([row, by]) => `${format.plain(trace.name(row), 30)} moved ${format.duration(by)}`).join(", "), jump([...trace.skews.keys()][0])),
    ].filter(Boolean);
    replace(chips, all);
    chips.hidden = all.length === 0;
  }

  /** Makes sure that a row is visible: opens what is above it, and its group. */
  function reveal(row) {
    for (let at = trace.parent[row]; at >= 0; at = trace.parent[at]) closed.delete(at);
    for (const group of groups) for (let at = row; at >= 0; at = trace.parent[at]) if (group.folded.has(at)) open.add(group);
    const only = restriction();
    if (only && !only[row]) setParams({ only: null });
    draw();
    rows.select(row);
    if (trace.stop[row] < range[0] || trace.start[row] > range[1]) zoomTo(0, trace.duration);
    rows.element.focus({ preventScroll: true });
  }

  function step(list, direction, what) {
    if (!list.length) {
      announce(`There is no ${what}`);
      return toast(`There is no ${what}`);
    }
    const active = rows.active()?.row ?? -1;
    const at = list.indexOf(active);
    const next = at >= 0 ? at + direction : direction > 0 ? list.findIndex((row) => row > active) : list.findLastIndex((row) => row < active);
    const index = next < 0 ? (direction > 0 ? 0 : list.length - 1) : next % list.length;
    reveal(list[index]);
    announce(`${what} ${index + 1} of ${list.length}`);
    return index;
  }

  function nextMatch(direction) {
    if (!matches.length) return false;
    const index = step(matches, direction, "match");
    findCount.textContent = `${index + 1}/${matches.length}`;
  }

  function focusFind() {
    findInput.focus();
    findInput.select();
  }

  async function index() {
    const received = await loadDocuments().catch(() => null);
    if (!received || !finder || finder.indexed) return;
    finder.index(received.entities);
    search();
  }

  function search() {
    matches = options.find ? finder.find(options.find) : [];
    findCount.textContent = options.find ? (matches.length ? format.count(matches.length) : "none") : "";
    if (options.find) announce(format.plural(matches.length, "match", "matches"));
    draw();
  }

  function toggleGroups() {
    fold = !fold;
    draw();
  }

  function toggle(visible) {
    const [set, key] = visible.group ? [open, visible.group] : [closed, visible.row];
    if (set.has(key)) set.delete(key);
    else set.add(key);
    draw();
  }

  const isOpen = ({ row, group }) => (group ? open.has(group) : trace.hasChildren(row) && !closed.has(row));

  function expand() {
    const visible = rows.active();
    if (!visible) return rows.move(1);
    if (!visible.group && !trace.hasChildren(visible.row)) return;
    if (isOpen(visible)) rows.move(1);
    else toggle(visible);
  }

  function collapse() {
    const visible = rows.active();
    if (!visible) return;
    if (isOpen(visible)) return toggle(visible);
    const group = visible.group ? null : groups.find((group) => open.has(group) && group.folded.has(visible.row));
    if (group) {
      open.delete(group);
      draw();
      rows.select(trace.parent[visible.row]);
    } else if (trace.parent[visible.row] >= 0) rows.select(trace.parent[visible.row], {});
  }

  function openSiblings() {
    const visible = rows.active();
    if (!visible) return;
    for (const sibling of trace.children(trace.parent[visible.row])) closed.delete(sibling);
    draw();
  }

  /** Opens or closes the deepest level that is shown. */
  function changeLevel(by) {
    let deepest = 0;
    for (const { row, group } of visibleRows(trace, groups, { closed, open, fold, only: null })) if (!group) deepest = Math.max(deepest, trace.depth[row]);
    const level = Math.max(0, by > 0 ? deepest : deepest - 1);
    for (let i = 0; i < trace.count; i += 1) {
      if (trace.depth[i] < level && by > 0) closed.delete(i);
      if (trace.depth[i] === level && trace.hasChildren(i)) by > 0 ? closed.delete(i) : closed.add(i);
    }
    draw();
  }

  function activate(visible) {
    if (visible.group) return toggle(visible);
    setParams({ entity: trace.ids[visible.row] });
  }

  /** Details follow the active row while they are open. */
  let following = 0;
  function moved(visible) {
    if (!options.entity || visible.group) return;
    clearTimeout(following);
    following = setTimeout(() => options.entity && setParams({ entity: trace.ids[visible.row] }), 120);
  }

  async function showDetails() {
    if (!options.entity) {
      details.close();
      detailsOf = "";
      return;
    }
    const row = trace.indexOf.get(options.entity);
    if (row === undefined) return details.close();
    if (rows.active()?.row !== row) reveal(row);
    if (detailsOf === options.entity) return;
    detailsOf = options.entity;
    details.open(trace, row);
    try {
      const json = await loadEntity(options.entity);
      if (detailsOf !== trace.ids[row]) return;
      details.show(trace, row, json, {
        problems: problems.filter(({ entity }) => entity === trace.ids[row]),
        repeats: byRow.repeated.get(row),
        gaps: byRow.gaps.get(row) ?? [],
        sampling: sampling(json),
      });
    } catch (error) {
      if (error.name !== "AbortError") details.fail(error.message);
    }
  }

  function zoomTo(from, to) {
    const whole = from <= 0 && to >= trace.duration;
    setParams({ zoom: whole ? null : `${Math.round(Math.max(0, from))}~${Math.round(Math.min(trace.duration, to))}` });
  }

  function zoomIn() {
    const visible = rows.active();
    if (!visible) return zoomBy(1 / ZOOM_STEP);
    const last = visible.group ? [...visible.group.folded].reduce((most, row) => Math.max(most, trace.stop[row]), 0) : trace.stop[visible.row];
    const [from, to] = [trace.start[visible.row], Math.max(last, trace.start[visible.row] + 1)];
    const margin = (to - from) * 0.05;
    if (range[1] - range[0] > (to - from + 2 * margin) * 1.05) zoomTo(from - margin, to + margin);
    else zoomBy(1 / ZOOM_STEP);
  }

  function zoomBy(factor) {
    const middle = (range[0] + range[1]) / 2;
    const half = Math.max(1, ((range[1] - range[0]) / 2) * factor);
    zoomTo(middle - half, middle + half);
  }

  function pan(share) {
    const width = range[1] - range[0];
    const from = Math.max(0, Math.min(trace.duration - width, range[0] + width * share));
    zoomTo(from, from + width);
  }

  return {
    element,
    tools,
    /** @param {import("./model.js").TraceModel} next */
    setTrace(next) {
      const grown = trace?.id === next.id;
      trace = next;
      finder = new Finder(trace);
      if (!grown) {
        closed.clear();
        problems = [];
      }
      open.clear();
      detailsOf = "";
      critical = [...new Set(trace.critical.map(({ row }) => row))];
      groups = repeats(trace);
      bad = Array.from({ length: trace.count }, (_, i) => i).filter((i) => trace.isBad(i));
      byRow = {
        critical: groupBy(trace.critical, ({ row }) => row),
        gaps: groupBy(untraced(trace), ({ row }) => row),
        repeated: new Map(groups.filter((group) => group.finding).map((group) => [group.parent, group])),
        problems: byRow.problems,
      };
      map.show(trace);
      drawChips();
      // The checks are of no hurry, and need the documents.
      setTimeout(() => void loadDocuments().catch(() => {}), 300);
    },
    /** Takes the documents: for the checks. */
    setReceived(received) {
      // A missing parent has a mark of its own.
      problems = received.problems.filter(({ kind }) => kind !== "missing");
      byRow.problems = new Map();
      for (const { entity } of problems) if (entity) byRow.problems.set(entity, (byRow.problems.get(entity) ?? 0) + 1);
      drawChips();
      draw();
    },
    /** Shows what the address asks for. */
    update(params) {
      options = { entity: params.get("entity") ?? "", find: params.get("find") ?? "", only: params.get("only") ?? "", critical: params.get("critical") !== "0" };
      const [from, to] = (params.get("zoom") ?? "").split("~").map(Number);
      range = to > from ? [Math.max(0, from), Math.min(trace.duration, to)] : [0, trace.duration];
      if (document.activeElement !== findInput) findInput.value = options.find;
      search();
      if (options.find) void index();
      void showDetails();
      if (document.activeElement === document.body) rows.element.focus({ preventScroll: true });
    },
    /** Closes the details if they are open. Returns whether they were. */
    escape() {
      if (!options.entity) return false;
      setParams({ entity: null });
      return true;
    },
    close() {
      map.close();
      rows.close();
      bindKeys("Timeline", []);
    },
  };
}

/** Joins findings of one kind and signature below different parents; the longest first. */
function joined(trace, groups) {
  const found = new Map();
  for (const { finding, rows, total } of groups) {
    if (!finding) continue;
    const key = `${finding} ${trace.signature[rows[0]]}`;
    const known = found.get(key) ?? { finding, row: rows[0], count: 0, total: 0 };
    found.set(key, { ...known, count: known.count + rows.length, total: known.total + total });
  }
  return [...found.values()].sort((a, b) => b.total - a.total);
}
