//! The list of traces: filter, charts, facets, rows, and what arrives while one looks.

import { ApiError, clearTraces, listTraces, readRows } from "../api.js";
import { h, set } from "../dom.js";
import { filterBox } from "../filter/box.js";
import { and } from "../filter/words.js";
import * as format from "../format.js";
import { icon } from "../icons.js";
import { bindKeys } from "../keys.js";
import { isPaused, onLive, setLiveFilter } from "../live.js";
import { announce, toast } from "../popup.js";
import { navigate, setParams } from "../router.js";
import { traceAddress } from "../routes.js";
import { timeRangeButton } from "../time_range.js";
import { rangeBetween } from "../time_range_text.js";
import { latencyBuckets, timeBuckets, timeLabel } from "./buckets.js";
import { firstStart } from "./first_start.js";
import { facetColumn } from "./facets.js";
import { histogram } from "./histogram.js";
import { traceList } from "./list.js";
import { TraceRows } from "./rows.js";

const FACETS_EVERY = 2000;
const UNDO_TIME = 10;
/** More often, no eye follows: new rows are shown at most four times a second. */
const SHOW_EVERY = 250;
/** Usually the rows are there sooner. */
const SKELETON_AFTER = 150;

/** Where the reader was when the list was left, and in which list. */
let left = { query: "", position: { top: 0, id: "" } };

/** @returns {import("../app.js").Page} */
export function open() {
  const state = new TraceRows();
  let query = { filter: "", timeRange: "", sort: "-time", live: true };
  /** @type {string[]} */
  let chosen = [];
  let facets = /** @type {any} */ (null);
  let request = new AbortController();
  let loadingMore = false;
  let missed = 0;
  let failure = "";
  let hiddenUntil = 0;
  let skeleton = 0;

  const box = filterBox({ onRun: setFilter, vocabulary });
  const range = timeRangeButton((timeRange) => setParams({ timeRange }, { replace: false }));
  const latency = histogram({ title: "Response time", label: format.duration, onSelect: selectLatency });
  const time = histogram({ title: "Traces over time", label: timeLabel, onSelect: (from, to) => setParams({ timeRange: rangeBetween(from, to) }, { replace: false }) });
  const column = facetColumn(setFilter);
  const list = traceList({
    onOpen: (row) => navigate(traceAddress(row.id)),
    onSort: (sort) => setParams({ sort: sort === "-time" ? null : sort }),
    onChoose: choose,
    onScroll: scrolled,
  });
  const pill = h("button", { class: "new-pill", hidden: true, onclick: showNew });
  const summary = h("span", {});
  const chosenNote = h("span", { class: "chosen-note", hidden: true });
  const empty = h("div", { class: "list-empty", hidden: true });
  const facetSwitch = h("button", { class: "icon-button", "aria-label": "Facets", title: "Show or hide the facets", "aria-pressed": "true", onclick: toggleFacets }, icon("panel"));
  const layout = h(
    "div",
    { class: "traces-layout" },
    column.element,
    h(
      "div",
      { class: "traces-main" },
      h("div", { class: "charts" }, latency.element, time.element),
      h("div", { class: "list-frame" }, pill, list.element, empty),
    ),
  );
  const element = h(
    "div",
    { class: "page traces" },
    h("h1", { class: "visually-hidden" }, "Traces"),
    h(
      "div",
      { class: "toolbar", role: "search" },
      facetSwitch,
      box.element,
      range.element,
      h("button", { class: "button primary", title: "Run (r)", onclick: () => box.submit() }, "Run"),
      h("button", { class: "icon-button", "aria-label": "Clear all traces", title: "Clear all traces (Del)", onclick: clear }, icon("trash")),
    ),
    layout,
    h(
      "div",
      { class: "footer" },
      summary,
      chosenNote,
      h("span", { class: "spring" }),
      h("span", { class: "hints" }, hint(["↑", "↓"], "choose"), hint(["↵"], "open"), hint(["x"], "compare"), hint(["/"], "filter"), hint(["?"], "keys")),
    ),
  );

  const stops = [onLive("traces", arrived), onLive("state", (live) => live === "live" && release()), onLive("resumed", () => !isPaused() && void load())];
  const refresh = setInterval(refreshFacets, FACETS_EVERY);
  let facetsStale = false;

  bindKeys("Traces", [
    { keys: ["/"], title: "Filter", run: () => box.focus() },
    { keys: ["ArrowDown", "j"], title: "Next trace", run: () => list.move(1) },
    { keys: ["ArrowUp", "k"], title: "Previous trace", run: () => list.move(-1) },
    { keys: ["PageDown"], title: "One page down", run: () => list.page(1) },
    { keys: ["PageUp"], title: "One page up", run: () => list.page(-1) },
    { keys: ["Home"], title: "First trace", run: () => list.moveTo(0) },
    { keys: ["End"], title: "Last trace", run: () => list.moveTo(-1) },
    { keys: ["Enter"], title: "Open the trace", run: () => (list.active() ? navigate(traceAddress(list.active().id)) : false) },
    { keys: ["x"], title: "Choose for comparison", run: () => (list.active() ? choose(list.active().id) : false) },
    { keys: ["c"], title: "Compare the two chosen traces", run: compare },
    { keys: ["r"], title: "Run the filter again", run: () => void load() },
    { keys: ["Delete"], title: "Clear all traces", run: clear },
  ]);

  function showSkeleton() {
    column.show(null, query.filter);
    list.show({ rows: [], total: 20, sort: query.sort, chosen });
  }

  /** Loads the first page, and replaces what is shown. */
  async function load() {
    request.abort();
    request = new AbortController();
    const { signal } = request;
    loadingMore = false;
    try {
      const page = await listTraces(query, signal);
      clearTimeout(skeleton);
      state.reset();
      missed = 0;
      state.addPage(page);
      facets = page.facets;
      failure = "";
      // The rows are what one waits for; the charts and facets follow in the next frame.
      draw({ only: "rows" });
      requestAnimationFrame(() => setTimeout(() => draw({ only: "facets" })));
      box.fail(null);
      // Not before: a filter with an error would end the stream.
      setLiveFilter(query.filter);
      if (left.query === JSON.stringify(query)) list.restore(left.position);
      left.query = "";
      announce(`${format.plural(state.matched, "trace")} of ${format.count(state.scanned)} match`);
    } catch (error) {
      if (error.name === "AbortError") return;
      clearTimeout(skeleton);
      fail(error);
    }
  }

  function fail(error) {
    if (error instanceof ApiError && error.status === 400) {
      failure = error.message;
      state.reset();
      state.loaded = true;
      box.fail({ message: error.message, at: error.at });
      draw();
      return;
    }
    toast(error.message, { action: "Try again", run: load, seconds: 8 });
  }

  /** Loads pages until the visible rows are there. */
  async function loadMore() {
    if (loadingMore || !state.next || list.lastVisible() < state.rows.length - 50) return;
    loadingMore = true;
    const { signal } = request;
    try {
      const page = await listTraces({ ...query, cursor: state.next }, signal);
      state.addPage(page);
      draw();
      loadingMore = false;
      await loadMore();
    } catch (error) {
      loadingMore = false;
      if (error.name !== "AbortError") fail(error);
    }
  }

  function arrived(event) {
    if (Date.now() < hiddenUntil) return;
    facetsStale = true;
    missed += event.more;
    state.arrive(readRows(event));
    // The first of several events is shown at once.
    if (showing) arrivedMore = true;
    else showArrived();
  }

  let showing = 0;
  let arrivedMore = false;
  function showArrived() {
    arrivedMore = false;
    showing = setTimeout(() => {
      showing = 0;
      if (arrivedMore) showArrived();
    }, SHOW_EVERY);
    if (release()) return;
    draw({ only: "rows" });
    if (!pill.hidden) announce(`${pill.textContent} traces`);
  }

  /** Whether new traces are shown at once. */
  const follows = () => query.live && query.sort === "-time" && !isPaused() && list.isAtTop();

  /** Shows new traces, if nothing would move away under the reader's eyes. */
  function release() {
    if (!follows() || !state.loaded || state.pending.size === 0) return false;
    list.flash([...state.pending.keys()]);
    state.release();
    draw({ only: "rows" });
    return true;
  }

  function showNew() {
    list.scrollToTop();
    if (query.sort !== "-time" || missed > 0) void load();
    else {
      list.flash([...state.pending.keys()]);
      state.release();
      draw({ only: "rows" });
    }
  }

  async function refreshFacets() {
    if (!facetsStale || document.hidden || isPaused()) return;
    facetsStale = false;
    // More arrived than one event holds.
    if (missed > 0 && follows()) return void load();
    try {
      const page = await listTraces({ ...query, limit: 1 }, request.signal);
      facets = page.facets;
      state.matched = Math.max(page.matched - state.pending.size, state.rows.length);
      state.scanned = page.scanned;
      draw({ only: "facets" });
    } catch {
      facetsStale = true;
    }
  }

  function draw({ only = "" } = {}) {
    if (only !== "facets") {
      list.show({ rows: state.rows, total: state.next ? state.matched : state.rows.length, sort: query.sort, chosen });
      const held = state.pending.size + missed;
      pill.hidden = held === 0;
      pill.textContent = `${format.count(held)} new`;
    }
    if (only !== "rows") {
      column.show(facets, query.filter);
      latency.show(latencyBuckets(facets?.latency ?? []));
      time.show(timeBuckets(facets?.minute ?? []));
    }
    summary.textContent = summarize();
    chosenNote.hidden = chosen.length === 0;
    chosenNote.textContent = chosen.length === 1 ? "1 chosen – choose another to compare" : "2 chosen – press c to compare";
    drawEmpty();
  }

  function summarize() {
    if (failure) return "";
    if (!query.filter && !query.timeRange) return format.plural(state.matched, "trace");
    return `${format.count(state.matched)} of ${format.count(state.scanned)} match`;
  }

  function drawEmpty() {
    const isEmpty = state.loaded && state.rows.length === 0;
    empty.hidden = !isEmpty;
    layout.classList.toggle("first", isEmpty && !failure && !query.filter && !query.timeRange);
    if (!isEmpty) return;
    if (failure) {
      empty.replaceChildren(h("div", { class: "empty" }, h("h2", {}, "The filter cannot be read"), h("p", {}, failure), h("div", { class: "actions" }, h("button", { class: "button", onclick: () => box.focus() }, "Change it"), h("button", { class: "button", onclick: () => setFilter("") }, "Clear the filter"))));
    } else if (query.filter || query.timeRange) {
      empty.replaceChildren(
        h(
          "div",
          { class: "empty" },
          h("h2", {}, "No trace matches"),
          h("p", {}, `${format.plural(state.scanned, "trace")} ${state.scanned === 1 ? "was" : "were"} tested.`),
          h(
            "div",
            { class: "actions" },
            query.filter && h("button", { class: "button", onclick: () => setFilter("") }, "Clear the filter"),
            query.timeRange && h("button", { class: "button", onclick: () => setParams({ timeRange: null }, { replace: false }) }, "All time"),
          ),
        ),
      );
    } else if (!empty.querySelector(".first-start")) empty.replaceChildren(firstStart());
  }

  function scrolled() {
    void loadMore();
    if (state.pending.size && list.isAtTop()) release();
  }

  function setFilter(filter) {
    if (filter === query.filter) void load();
    else setParams({ filter }, { replace: false });
  }

  function selectLatency(from, to) {
    const seconds = (micros) => Number((micros / 1e6).toPrecision(4));
    const rest = query.filter.replace(/(?: AND )?responsetime [<>]=? [\d.]+/g, "").replace(/^ AND /, "");
    setFilter(and(and(rest, `responsetime >= ${seconds(from)}`), `responsetime < ${seconds(to)}`));
  }

  function choose(id) {
    chosen = chosen.includes(id) ? chosen.filter((other) => other !== id) : [...chosen, id].slice(-2);
    draw({ only: "rows" });
  }

  function compare() {
    if (chosen.length < 2) return false;
    navigate(`/compare?a=${chosen[0]}&b=${chosen[1]}`);
  }

  /** Hides everything at once, and forgets it when the time to undo is over. */
  function clear() {
    if (state.rows.length === 0) return;
    hiddenUntil = Date.now() + UNDO_TIME * 1000;
    const timer = setTimeout(async () => {
      hiddenUntil = 0;
      await clearTraces().catch(fail);
      void load();
    }, UNDO_TIME * 1000);
    const undo = () => {
      clearTimeout(timer);
      hiddenUntil = 0;
      void load();
    };
    state.reset();
    state.loaded = true;
    draw({ only: "rows" });
    toast("All traces are cleared", { action: "Undo", run: undo, seconds: UNDO_TIME });
  }

  function toggleFacets() {
    const shown = layout.classList.toggle("without-facets");
    set(facetSwitch, { "aria-pressed": String(!shown) });
  }

  /** @returns {import("../filter/complete.js").Vocabulary} */
  function vocabulary() {
    return {
      services: Object.keys(facets?.service ?? {}),
      users: Object.keys(facets?.user ?? {}),
      urls: Object.keys(facets?.url ?? {}),
      annotations: new Map(Object.entries(facets?.annotation ?? {}).map(([key, values]) => [key, Object.keys(values).map((json) => JSON.parse(json))])),
    };
  }

  return {
    element,
    title: "Traces",
    update({ params }) {
      const next = {
        filter: params.get("filter") ?? "",
        timeRange: params.get("timeRange") ?? "",
        sort: params.get("sort") ?? "-time",
        live: params.get("live") !== "0",
      };
      query = next;
      // First of all, so that the program works while the rest is done.
      void load();
      box.show(next.filter);
      range.show(next.timeRange);
      clearTimeout(skeleton);
      if (!state.loaded) skeleton = setTimeout(showSkeleton, SKELETON_AFTER);
      if (document.activeElement === document.body || box.element.contains(document.activeElement)) list.element.focus({ preventScroll: true });
    },
    close() {
      left = { query: JSON.stringify(query), position: list.position() };
      request.abort();
      clearTimeout(skeleton);
      clearTimeout(showing);
      clearInterval(refresh);
      stops.forEach((stop) => stop());
      bindKeys("Traces", []);
      setLiveFilter("");
      list.close();
    },
  };
}

function hint(keys, text) {
  return h("span", {}, keys.map((key) => h("kbd", {}, key)), ` ${text}`);
}
