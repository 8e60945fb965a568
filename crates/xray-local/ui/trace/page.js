//! One trace: timeline, own time, map, documents, raw.

import { getDocuments, getEntity, getTrace } from "../api.js";
import { h, replace } from "../dom.js";
import * as format from "../format.js";
import { icon } from "../icons.js";
import { jsonView } from "../json_view.js";
import { bindKeys } from "../keys.js";
import { onLive } from "../live.js";
import { fromTrace } from "../map/graph.js";
import { mapView } from "../map/view.js";
import { copy, download, openMenu } from "../popup.js";
import { listAddress, navigate } from "../router.js";
import { traceAddress } from "../routes.js";
import { serviceColor } from "../service_color.js";
import { statusTag } from "../status_tag.js";
import * as text from "./copy.js";
import { documentsView } from "./documents.js";
import { parseDocuments, receivedEntities } from "./entities.js";
import { TraceModel } from "./model.js";
import { ownTimes } from "./own_time.js";
import { ownTimeTable } from "./own_time_table.js";
import { problems } from "./refuse.js";
import { samplingReason } from "./sampling_reason.js";
import { timeline } from "./timeline.js";

const TABS = [
  ["timeline", "Timeline"],
  ["time", "Own time"],
  ["map", "Map"],
  ["documents", "Documents"],
  ["raw", "Raw"],
];

/** @returns {import("../app.js").Page} */
export function open() {
  let id = "";
  let tab = "";
  /** @type {TraceModel | null} */
  let trace = null;
  /** @type {{ list: any[], parsed: any[], entities: Map<string, import("./entities.js").Received>, problems: import("./refuse.js").Problem[] } | null} */
  let received = null;
  /** @type {Promise<void> | null} */
  let receiving = null;
  let request = new AbortController();
  /** @type {{ close(): void } | null} */
  let shownTab = null;

  const heading = h("div", { class: "trace-head" });
  const tabs = h("nav", { class: "tabs", "aria-label": "Views of the trace" });
  const content = h("div", { class: "trace-content" });
  const tools = h("div", { class: "trace-tools" });
  const copyButton = h("button", { class: "button small", "aria-haspopup": "menu", "aria-expanded": "false", onclick: openCopyMenu }, "Copy", icon("down", 14));
  const element = h("div", { class: "page trace" }, heading, h("div", { class: "trace-bar" }, tabs, h("div", { class: "spring" }), tools, copyButton), content);

  const lines = timeline({
    loadEntity: (entity) => getEntity(id, entity, request.signal),
    loadDocuments: receive,
    sampling: (json) => samplingReason(json),
  });

  const stops = [
    onLive("traces", ({ rows }) => {
      const row = rows.find((changed) => changed.id === id);
      if (row && trace && row.revision > trace.revision) void load({ keep: true });
    }),
    onLive("resumed", () => void load({ keep: trace !== null })),
  ];

  bindKeys("Trace", [
    { keys: ["y"], title: "Copy as text", run: () => (trace ? copy(text.asText(trace)) : false) },
    { keys: ["Y"], title: "Copy as Markdown", run: () => (trace ? copy(text.asMarkdown(trace, location.href)) : false) },
    { keys: ["d"], title: "Documents", run: () => navigate(traceAddress(id, "documents")) },
    { keys: ["m"], title: "Map", run: () => navigate(traceAddress(id, "map")) },
    { keys: ["v"], title: "Timeline", run: () => navigate(traceAddress(id)) },
    { keys: ["Escape"], title: "Close, or back", run: () => (tab === "timeline" && lines.escape() ? undefined : navigate(listAddress())) },
  ]);

  async function load({ keep = false } = {}) {
    request.abort();
    request = new AbortController();
    const { signal } = request;
    if (!keep) showSkeleton();
    try {
      const response = await getTrace(id, signal);
      trace = new TraceModel(response);
      received = null;
      receiving = null;
      page.title = `${trace.count ? format.plain(trace.name(0), 60) : "Trace"} ${format.duration(trace.duration)}`;
      document.title = `${page.title} · xray-local`;
      drawHeading();
      lines.setTrace(trace);
      await showTab(true);
    } catch (error) {
      if (error.name !== "AbortError") showError(error);
    }
  }

  /** Fetches the documents once; find, checks and three tabs need them. */
  function receive() {
    receiving ??= getDocuments(id, request.signal).then(({ documents }) => {
      const parsed = parseDocuments(documents);
      const entities = receivedEntities(parsed);
      received = { list: documents, parsed, entities, problems: problems(id, documents.map(({ bytes }) => bytes), entities) };
      lines.setReceived(received);
    });
    return receiving.then(() => received);
  }

  function showSkeleton() {
    replace(heading, h("a", { class: "back", href: listAddress() }, icon("left"), "Traces"), h("span", { class: "skeleton", "--w": "240px" }, "\u00a0".repeat(40)));
    replace(content, h("div", { class: "trace-skeleton" }, Array.from({ length: 14 }, (_, i) => h("div", { class: "skeleton", "--x": `${(i * 13) % 40}%`, "--w": `${30 + ((i * 29) % 50)}%` }))));
  }

  function showError(error) {
    const gone = error.status === 404;
    replace(heading, h("a", { class: "back", href: listAddress() }, icon("left"), "Traces"), h("code", {}, format.plain(id, 60)));
    shownTab?.close();
    shownTab = null;
    replace(
      content,
      h(
        "div",
        { class: "empty" },
        h("h2", {}, gone ? "This trace is not here" : "The trace cannot be shown"),
        h("p", {}, gone ? "It never arrived, or was forgotten to make room for newer ones." : error.message),
        h("div", { class: "actions" }, h("a", { class: "button", href: "/traces" }, "Go to traces"), h("button", { class: "button", onclick: () => load() }, "Try again")),
      ),
    );
  }

  function drawHeading() {
    const services = [];
    for (let i = 0; i < trace.count && services.length < 6; i += 1) {
      const name = trace.service(i);
      if (!services.includes(name)) services.push(name);
    }
    const title = trace.count ? trace.action(0) || trace.name(0) : "Empty trace";
    const [method, url] = title.split(" ", 2);
    const isRequest = url && title.length === method.length + 1 + url.length;
    replace(
      heading,
      h("a", { class: "back", href: listAddress(), "aria-label": "Back to traces" }, icon("left")),
      h("h1", { class: "clip", title: format.plain(title, 500) }, isRequest && h("span", { class: "method" }, format.plain(method, 12)), isRequest ? format.plain(format.urlPath(url), 200) : format.plain(title, 200)),
      trace.count > 0 && statusTag(trace.flagsOf(0), trace.status[0]),
      h("span", { class: "trace-duration" }, format.duration(trace.duration)),
      h("span", { class: "service-path" }, services.map((name, i) => [i > 0 && h("span", { class: "faint", "aria-hidden": "true" }, "›"), h("span", { class: "service" }, h("span", { class: "dot", "--c": serviceColor(name) }), h("span", { class: "clip" }, format.plain(name, 40)))])),
      h("span", { class: "spring" }),
      h("span", { class: "faint trace-time", title: format.iso(trace.begin) }, format.clock(trace.begin)),
      h("button", { class: "trace-id", title: "Copy the trace id", onclick: () => copy(trace.id, "Trace id copied") }, h("code", {}, format.plain(trace.id, 60)), icon("copy", 13)),
    );
  }

  function drawTabs() {
    const counts = { documents: trace?.documents, timeline: trace?.count };
    replace(
      tabs,
      TABS.map(([name, title]) => h("a", { href: traceAddress(id, name), "aria-current": name === tab ? "page" : null }, title, counts[name] > 0 && h("span", { class: "tab-count" }, format.count(counts[name])))),
    );
  }

  async function showTab(fresh) {
    drawTabs();
    if (!trace) return;
    const wanted = tab;
    if (tab === "timeline") {
      if (fresh || content.firstChild !== lines.element) {
        replaceTab(lines.element, null);
        replace(tools, lines.tools);
      }
      lines.update(new URLSearchParams(location.search));
      return;
    }
    replace(tools);
    if (tab === "time") return replaceTab(ownTimeTable(trace, ownTimes(trace), (row) => traceAddress(id, "timeline", { entity: trace.ids[row] })), null);
    if (tab === "map") {
      const view = mapView({ nodeActions: (node) => [{ title: "Show in the timeline", href: traceAddress(id, "timeline", { find: node.name }) }] });
      replaceTab(view.element, view);
      view.show(fromTrace(trace));
      return;
    }
    replaceTab(h("div", { class: "trace-skeleton" }), null);
    try {
      const all = await receive();
      if (tab !== wanted) return;
      const nameOf = (entity) => trace.name(trace.indexOf.get(entity) ?? -1);
      if (tab === "documents") replaceTab(documentsView(all.list, all.problems, nameOf), null);
      else replaceTab(rawView(all), null);
    } catch (error) {
      if (error.name !== "AbortError") showError(error);
    }
  }

  function replaceTab(element, closes) {
    shownTab?.close();
    shownTab = closes;
    content.replaceChildren(element);
  }

  function rawView({ list, parsed }) {
    const value = { Id: trace.id, Duration: trace.duration / 1e6, Segments: parsed.map((document, i) => ({ Id: document?.id, Document: document ?? list[i].text })) };
    return h(
      "div",
      { class: "page scrolls" },
      h("div", { class: "column wide" }, h("div", {}, h("button", { class: "button small", onclick: () => copy(JSON.stringify(value, null, 2)) }, icon("copy", 14), "Copy all")), h("div", { class: "card pad" }, jsonView(value))),
    );
  }

  function openCopyMenu() {
    if (!trace) return;
    const item = (title, make, hint) => ({ title, hint, run: () => copy(make(), `Copied: ${title}`) });
    openMenu(copyButton, [
      { label: "This trace" },
      item("Text", () => text.asText(trace), "y"),
      item("Markdown", () => text.asMarkdown(trace, location.href), "Y"),
      item("Link", () => location.href),
      item("Trace id", () => trace.id),
      { title: "HTML file", hint: "download", run: () => download(`${trace.id}.html`, text.asHtml(trace)) },
      "separator",
      { label: "Find ones like it" },
      item("Filter expression", () => text.asFilter(trace)),
      item("curl", () => text.asCurl(trace, location.origin)),
      "separator",
      { label: "As a test" },
      item("Rust", () => text.asRustTest(trace)),
      item("Python", () => text.asPythonTest(trace, location.origin)),
      item("JavaScript", () => text.asNodeTest(trace, location.origin)),
    ]);
  }

  const page = {
    element,
    title: "Trace",
    update(route) {
      const changed = route.path.id !== id;
      tab = route.path.tab;
      if (changed) {
        id = route.path.id;
        trace = null;
        drawTabs();
        void load();
      } else void showTab(false);
    },
    close() {
      request.abort();
      stops.forEach((stop) => stop());
      shownTab?.close();
      lines.close();
      bindKeys("Trace", []);
      bindKeys("Timeline", []);
    },
  };
  return page;
}
