//! Two traces next to each other, or two sets of traces.

import { getTrace, listTraces } from "../api.js";
import { h, replace } from "../dom.js";
import { filterBox } from "../filter/box.js";
import * as format from "../format.js";
import { icon } from "../icons.js";
import { bindKeys } from "../keys.js";
import { listAddress, navigate, setParams } from "../router.js";
import { filterAddress, traceAddress } from "../routes.js";
import { statusTag } from "../status_tag.js";
import { shortAction } from "../trace/action.js";
import { TraceModel } from "../trace/model.js";
import { VirtualRows } from "../virtual.js";
import { align } from "./align.js";
import { summarize } from "./sets.js";

const ROW_HEIGHT = 34;
const INDENT = 13;
const MAX_INDENT = 14;
/** Smaller differences are not marked. */
const MIN_DELTA = 0.05;

/** @returns {import("../app.js").Page} */
export function open() {
  let request = new AbortController();
  let shown = "";
  /** @type {VirtualRows | null} */
  let virtual = null;
  const content = h("div", { class: "page" });
  const element = h("div", { class: "page compare" }, h("h1", { class: "visually-hidden" }, "Compare"), content);
  bindKeys("Compare", [
    { keys: ["s"], title: "Swap the two", run: swap },
    { keys: ["Escape"], title: "Back", run: () => navigate(listAddress()) },
  ]);

  function swap() {
    const params = new URLSearchParams(location.search);
    const names = params.has("a") ? ["a", "b"] : ["filterA", "filterB"];
    setParams({ [names[0]]: params.get(names[1]), [names[1]]: params.get(names[0]) });
  }

  async function loadPair(a, b) {
    replace(content, h("div", { class: "trace-skeleton" }, Array.from({ length: 8 }, () => h("div", { class: "skeleton", "--x": "0%", "--w": "90%" }))));
    try {
      const responses = await Promise.all([a, b].map((id) => getTrace(id, request.signal)));
      const [left, right] = responses.map((response) => new TraceModel(response));
      showPair(left, right);
    } catch (error) {
      if (error.name === "AbortError") return;
      replace(content, message("These traces cannot be compared", error.status === 404 ? "At least one of them is not here: it never arrived, or was forgotten." : error.message));
    }
  }

  function showPair(a, b) {
    const rows = align(a, b);
    const scale = Math.max(a.duration, b.duration);
    let onlyDifferent = false;
    const differs = (row) => !row.a || !row.b || row.a.rows.length !== row.b.rows.length || Math.abs(row.b.total - row.a.total) >= MIN_DELTA * scale;
    let visible = rows;
    const body = h("div", { class: "cmp-body", role: "rowgroup" });
    const heads = ["Entity", "A", "B", "Δ time", "Δ own", `0 – ${format.duration(scale)}`];
    const grid = h(
      "div",
      { class: "cmp-grid", role: "grid", tabIndex: 0, "aria-label": "Aligned entities", "aria-rowcount": String(rows.length + 1) },
      h("div", { class: "cmp-head-group", role: "rowgroup" }, h("div", { class: "cmp-row cmp-head", role: "row" }, heads.map((title, i) => h("div", { role: "columnheader", class: i > 0 && i < 5 ? "num" : null }, title)))),
      body,
    );
    const different = h("button", { class: "button small", "aria-pressed": "false", onclick: toggle }, "Only differences");

    function toggle() {
      onlyDifferent = !onlyDifferent;
      visible = onlyDifferent ? rows.filter(differs) : rows;
      different.setAttribute("aria-pressed", String(onlyDifferent));
      virtual.setCount(visible.length);
    }

    function render(element, index) {
      const row = visible[index];
      if (!row) return;
      const state = row.a && row.b ? (differs(row) ? "differs" : "same") : row.a ? "only-a" : "only-b";
      element.dataset.state = state;
      element.setAttribute("aria-rowindex", String(index + 2));
      const side = (side) => (side ? [format.duration(side.total), side.rows.length > 1 && h("span", { class: "times" }, ` ×${side.rows.length}`)] : h("span", { class: "faint" }, "–"));
      const bars = (trace, side, kind) => side?.rows.slice(0, 200).map((at) => h("i", { class: `cmp-bar ${kind}${trace.isBad(at) ? " bad" : ""}`, "--x": `${(trace.start[at] / scale) * 100}%`, "--w": `${((trace.stop[at] - trace.start[at]) / scale) * 100}%` }));
      replace(
        element,
        h("div", { class: "cmp-name", role: "gridcell", "--indent": `${Math.min(row.depth, MAX_INDENT) * INDENT}px` }, state.startsWith("only") && h("span", { class: `tag ${state}` }, state === "only-a" ? "only A" : "only B"), h("span", { class: "clip name" }, format.plain(row.name, 100)), h("span", { class: "clip action" }, shortAction(row.action))),
        h("div", { class: "num", role: "gridcell" }, side(row.a)),
        h("div", { class: "num", role: "gridcell" }, side(row.b)),
        h("div", { class: "num", role: "gridcell" }, delta(row.a?.total, row.b?.total)),
        h("div", { class: "num", role: "gridcell" }, delta(row.a?.own, row.b?.own)),
        h("div", { class: "cmp-track", role: "gridcell", "aria-label": "Bars" }, bars(a, row.a, "a"), bars(b, row.b, "b")),
      );
    }

    virtual?.close();
    replace(
      content,
      h(
        "div",
        { class: "cmp-cards" },
        card("A", a, null),
        h("button", { class: "icon-button", "aria-label": "Swap the two", title: "Swap (s)", onclick: swap }, icon("compare")),
        card("B", b, a),
      ),
      h("div", { class: "cmp-bar-line" }, h("span", { class: "muted" }, counts(rows)), h("span", { class: "spring" }), different),
      grid,
    );
    virtual = new VirtualRows(grid, body, { rowHeight: ROW_HEIGHT, create: () => h("div", { class: "cmp-row", role: "row" }), render });
    virtual.setCount(visible.length);
  }

  function showSets(filterA, filterB) {
    const boxes = [filterA, filterB].map((filter, i) => {
      const box = filterBox({ label: `Filter ${"AB"[i]}`, vocabulary: () => ({ services: [], users: [], urls: [], annotations: new Map() }), onRun: (text) => setParams({ [["filterA", "filterB"][i]]: text || null }) });
      box.show(filter);
      return box;
    });
    const result = h("div", {});
    replace(
      content,
      h(
        "div",
        { class: "page scrolls" },
        h(
          "div",
          { class: "column" },
          h("div", {}, h("h2", { class: "page-title" }, "Compare two sets of traces"), h("p", { class: "page-lead" }, "To compare two traces entity by entity, choose them in the list with x, then press c.")),
          h("div", { class: "cmp-filters" }, boxes.map((box, i) => [h("span", { class: `letter ${"ab"[i]}` }, "AB"[i]), box.element])),
          result,
        ),
      ),
    );
    Promise.all(
      [filterA, filterB].map((filter, i) =>
        listTraces({ filter, limit: 1 }, request.signal).catch((error) => {
          if (error.name !== "AbortError") boxes[i].fail({ message: error.message, at: error.at ?? null });
          throw error;
        }),
      ),
    ).then(
      (pages) => {
        const [a, b] = pages.map(summarize);
        const row = (title, value, compared) => h("tr", {}, h("th", { scope: "row" }, title), h("td", { class: "num" }, value(a)), h("td", { class: "num" }, value(b)), h("td", { class: "num" }, compared ? delta(compared(a), compared(b)) : ""));
        replace(
          result,
          h(
            "div",
            { class: "table-scroll" },
            h(
              "table",
              { class: "table" },
              h("thead", {}, h("tr", {}, ["", "A", "B", "Δ"].map((title, i) => h("th", { class: i ? "num" : null, scope: "col" }, title)))),
              h(
                "tbody",
                {},
                row("Traces", ({ count }) => format.count(count)),
                row("Median response", ({ p50 }) => format.duration(p50), ({ p50 }) => p50),
                row("p95 response", ({ p95 }) => format.duration(p95), ({ p95 }) => p95),
                row("5xx", ({ faults }) => format.percent(faults)),
                row("4xx and 429", ({ errors }) => format.percent(errors)),
                row("Services", ({ services }) => format.count(services)),
              ),
            ),
          ),
          h("div", { class: "panel-actions" }, h("a", { class: "button small", href: filterAddress(filterA) }, "Traces of A"), h("a", { class: "button small", href: filterAddress(filterB) }, "Traces of B")),
        );
      },
      () => {},
    );
  }

  return {
    element,
    title: "Compare",
    update({ params }) {
      if (params.toString() === shown) return;
      shown = params.toString();
      request.abort();
      request = new AbortController();
      const [a, b] = [params.get("a"), params.get("b")];
      if (a && b) void loadPair(a, b);
      else showSets(params.get("filterA") ?? "", params.get("filterB") ?? "");
    },
    close() {
      request.abort();
      virtual?.close();
      bindKeys("Compare", []);
    },
  };
}

function card(letter, trace, other) {
  const title = trace.count ? shortAction(trace.action(0)) || format.plain(trace.name(0), 120) : "Empty trace";
  return h(
    "a",
    { class: "card cmp-card", href: traceAddress(trace.id) },
    h("span", { class: `letter ${letter.toLowerCase()}` }, letter),
    h("span", { class: "cmp-title" }, h("strong", { class: "clip" }, title), h("span", { class: "faint" }, `${format.clock(trace.begin)} · ${format.plural(trace.count, "entity", "entities")}`)),
    h("span", { class: "spring" }),
    trace.count > 0 && statusTag(trace.flagsOf(0), trace.status[0]),
    h("span", { class: "trace-duration" }, format.duration(trace.duration)),
    other && delta(other.duration, trace.duration),
  );
}

/** The difference from A to B, with its sign and direction as a word. */
function delta(a, b) {
  if (a === undefined || b === undefined || a === null || b === null) return "";
  const by = b - a;
  const small = Math.abs(by) < MIN_DELTA * Math.max(a, b, 1);
  if (Math.abs(by) < 1) return h("span", { class: "faint" }, "±0");
  return h("span", { class: small ? "faint" : by > 0 ? "slower" : "faster", title: by > 0 ? "slower in B" : "faster in B" }, `${by > 0 ? "+" : ""}${format.duration(by)}`);
}

function counts(rows) {
  const onlyA = rows.filter((row) => !row.b).length;
  const onlyB = rows.filter((row) => !row.a).length;
  return `${format.count(rows.length - onlyA - onlyB)} in both · ${format.count(onlyA)} only in A · ${format.count(onlyB)} only in B`;
}

function message(title, text) {
  return h("div", { class: "empty" }, h("h2", {}, title), h("p", {}, text), h("div", { class: "actions" }, h("a", { class: "button", href: "/traces" }, "Go to traces")));
}
