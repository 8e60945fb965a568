//! The service map of all traces that match.

import { request } from "../api.js";
import { h } from "../dom.js";
import { filterBox } from "../filter/box.js";
import { and, quote } from "../filter/words.js";
import * as format from "../format.js";
import { bindKeys } from "../keys.js";
import { isPaused, onLive } from "../live.js";
import { toast } from "../popup.js";
import { navigate, setParams } from "../router.js";
import { filterAddress } from "../routes.js";
import { timeRangeButton } from "../time_range.js";
import { histogram } from "../traces/histogram.js";
import { fromServices } from "./graph.js";
import { prepareLayout } from "./layout.js";
import { mapView } from "./view.js";

const REFRESH = 3000;

/** @returns {import("../app.js").Page} */
export function open() {
  prepareLayout();
  let query = { filter: "", timeRange: "" };
  let stale = false;
  let work = new AbortController();
  /** @type {import("./graph.js").Graph} */
  let graph = { nodes: [], edges: [], minutes: null };

  const box = filterBox({ onRun: (filter) => setParams({ filter }, { replace: false }), vocabulary });
  const range = timeRangeButton((timeRange) => setParams({ timeRange }, { replace: false }));
  const view = mapView({ nodeActions, nodeDetails, onSelect: (id) => setParams({ node: id === null ? null : keyOf(id) }) });
  const summary = h("span", {});
  const element = h(
    "div",
    { class: "page" },
    h("h1", { class: "visually-hidden" }, "Service map"),
    h("div", { class: "toolbar", role: "search" }, box.element, range.element, h("button", { class: "button primary", onclick: () => box.submit() }, "Run")),
    view.element,
    h("div", { class: "footer" }, summary),
  );
  view.empty.append(h("h2", {}, "No services yet"), h("p", {}, "Services appear here with the first trace that matches."));
  const stops = [onLive("traces", () => (stale = true)), onLive("resumed", () => (stale = true))];
  const timer = setInterval(() => stale && !document.hidden && !isPaused() && void load(), REFRESH);
  bindKeys("Service map", [
    { keys: ["/"], title: "Filter", run: () => box.focus() },
    { keys: ["r"], title: "Run the filter again", run: () => void load() },
    { keys: ["Escape"], title: "Close the details", run: () => setParams({ node: null }) },
  ]);

  /** Nodes keep their names in the address, since their ids change with each response. */
  function keyOf(id) {
    const node = graph.nodes.find((node) => node.id === id);
    return node ? `${node.type}|${node.name}` : null;
  }

  async function load() {
    work.abort();
    work = new AbortController();
    stale = false;
    try {
      const { Services: services } = await request(`/api/graph?${new URLSearchParams(query)}`, { signal: work.signal });
      graph = fromServices(services);
      box.fail(null);
      await view.show(graph);
      choose();
      const edges = graph.edges.reduce((sum, edge) => sum + edge.statistics.count, 0);
      summary.textContent = `${format.plural(graph.nodes.filter(({ type }) => type !== "client").length, "service")} · ${format.plural(edges, "call")}`;
    } catch (error) {
      if (error.name === "AbortError") return;
      if (error.status === 400) box.fail({ message: error.message, at: error.at });
      else toast(error.message, { action: "Try again", run: load, seconds: 8 });
    }
  }

  function choose() {
    const key = new URLSearchParams(location.search).get("node");
    view.choose(graph.nodes.find(({ type, name }) => `${type}|${name}` === key)?.id ?? null);
  }

  const term = (node) => (node.type === "client" ? "" : node.type ? `service(id(name: ${quote(node.name)}, type: ${quote(node.type)}))` : `service(${quote(node.name)})`);

  function nodeActions(node) {
    const all = { title: "View traces", href: filterAddress(term(node) ? and(query.filter, term(node)) : query.filter, query.timeRange) };
    if (!node.statistics?.fault) return [all];
    return [all, { title: "With faults", href: filterAddress(and(query.filter, `${term(node)} { fault }`), query.timeRange) }];
  }

  /** The response times of a node; dragging finds their traces. */
  function nodeDetails(node) {
    if (!node.statistics?.histogram.length) return null;
    const chart = histogram({
      title: "Response time",
      label: format.duration,
      onSelect: (from, to) => navigate(filterAddress(and(query.filter, `${term(node)} { responsetime >= ${seconds(from)} AND responsetime <= ${seconds(to)} }`), query.timeRange)),
    });
    chart.show(buckets(node.statistics.histogram));
    return h("section", {}, chart.element);
  }

  /** @returns {import("../filter/complete.js").Vocabulary} */
  function vocabulary() {
    return { services: [...new Set(graph.nodes.map(({ name }) => name))], users: [], urls: [], annotations: new Map() };
  }

  return {
    element,
    title: "Service map",
    update({ params }) {
      const next = { filter: params.get("filter") ?? "", timeRange: params.get("timeRange") ?? "" };
      box.show(next.filter);
      range.show(next.timeRange);
      if (graph.nodes.length && next.filter === query.filter && next.timeRange === query.timeRange) return choose();
      query = next;
      void load();
    },
    close() {
      work.abort();
      stops.forEach((stop) => stop());
      clearInterval(timer);
      bindKeys("Service map", []);
      view.close();
    },
  };
}

const seconds = (micros) => Number((micros / 1e6).toPrecision(4));

/** Sorts a histogram into 24 buckets of equal width on a logarithmic scale. */
function buckets(values) {
  const low = Math.log10(Math.max(1, values[0][0]));
  const high = Math.max(low + 0.1, Math.log10(Math.max(1, values.at(-1)[0])));
  const step = (high - low) / 24;
  const found = Array.from({ length: 24 }, (_, i) => ({ from: 10 ** (low + i * step), to: 10 ** (low + (i + 1) * step), count: 0 }));
  for (const [value, count] of values) found[Math.min(23, Math.floor((Math.log10(Math.max(1, value)) - low) / step))].count += count;
  return found;
}
