//! The details of one entity.

import { h, replace } from "../dom.js";
import * as format from "../format.js";
import { annotationTerm, quote } from "../filter/words.js";
import { icon } from "../icons.js";
import { jsonView } from "../json_view.js";
import { copy } from "../popup.js";
import { filterAddress } from "../routes.js";
import { serviceColor } from "../service_color.js";
import { statusTag } from "../status_tag.js";
import { ownTime } from "./own_time.js";

const MAX_VALUE = 20_000;
const MAX_LISTED = 200;

/**
 * Makes the drawer.
 * @param {object} options
 * @param {() => void} options.onClose
 * @param {(id: string) => void} options.onSelect
 */
export function drawer({ onClose, onSelect }) {
  const title = h("h2", { class: "clip" });
  const content = h("div", { class: "drawer-content", tabIndex: 0, "aria-label": "Details" });
  const element = h(
    "aside",
    { class: "drawer", "aria-label": "Entity", hidden: true },
    h("div", { class: "drawer-head" }, title, h("button", { class: "icon-button small", "aria-label": "Close details", title: "Close (Esc)", onclick: onClose }, icon("close"))),
    content,
  );
  return {
    element,
    /** Shows what is known before the entity's JSON is here. */
    open(trace, row) {
      element.hidden = false;
      replace(title, h("span", { class: "dot", "--c": serviceColor(trace.service(row)) }), " ", format.plain(trace.name(row), 200));
    },
    /**
     * Shows an entity.
     * @param {import("./model.js").TraceModel} trace
     * @param {number} row
     * @param {any} json
     * @param {{ problems: import("./refuse.js").Problem[], repeats?: import("./repeats.js").Group, gaps: import("./untraced.js").Gap[], sampling: any }} findings
     */
    show(trace, row, json, findings) {
      const sections = [
        overview(trace, row, json, findings, onSelect),
        exceptions(json.cause, onSelect),
        pairs("Annotations", json.annotations, true),
        http(json.http),
        sql(json.sql),
        pairs("AWS", flatten(json.aws)),
        metadata(json.metadata),
        raw(json),
      ].filter(Boolean);
      const jump = (section) => h("button", { onclick: () => section.scrollIntoView({ block: "start" }) }, section.dataset.title);
      replace(content, h("div", { class: "drawer-nav" }, sections.slice(1).map(jump)), sections);
      content.scrollTop = 0;
    },
    fail(message) {
      replace(content, h("p", { class: "muted pad" }, message));
    },
    close() {
      element.hidden = true;
    },
  };
}

function section(title, ...children) {
  return h("section", { "data-title": title }, h("h3", {}, title), children);
}

function overview(trace, row, json, { problems, repeats, gaps, sampling }, onSelect) {
  const flags = trace.flagsOf(row);
  const duration = trace.durationOf(row);
  const own = ownTime(trace, row);
  const fact = (name, ...value) => [h("dt", {}, name), h("dd", {}, value)];
  const parent = trace.parent[row];
  const callouts = [
    ...problems.map(({ kind, text }) => callout("error", { refused: "X-Ray would refuse this", cut: "X-Ray would cut this", missing: "Incomplete" }[kind], text)),
    repeats && callout("finding", `${repeats.finding}: ${repeats.rows.length} × ${format.plain(trace.name(repeats.rows[0]), 60)}`, `${repeats.finding === "N+1" ? "The same call, one after the other" : "The same call at the same time"}: ${format.duration(repeats.total)} together.`),
    ...gaps.slice(0, 3).map((gap) => callout("", `${format.duration(gap.end - gap.start)} untraced`, `Nothing below runs from ${format.duration(gap.start)} to ${format.duration(gap.end)}.`)),
    trace.skews.has(row) && callout("", `Moved by ${format.duration(trace.skews.get(row))}`, "By its own clock this segment began before it was called, so the clocks differ."),
  ];
  return h(
    "section",
    { "data-title": "Overview" },
    h("div", { class: "drawer-tags" }, statusTag(flags, trace.status[row]), h("span", { class: "tag" }, ["segment", "subsegment", "remote call", "AWS call", "SQL query", "inferred segment"][trace.kind[row]])),
    h(
      "dl",
      { class: "facts" },
      fact("Duration", duration === null ? "in progress" : format.duration(duration), duration !== null && h("span", { class: "faint" }, ` ${format.percent(duration / trace.duration)} of the trace`)),
      trace.hasChildren(row) && fact("Own time", format.duration(own), h("span", { class: "faint" }, ` ${format.percent(own / Math.max(1, trace.stop[row] - trace.start[row]))}`)),
      fact("Starts at", format.duration(trace.start[row]), h("span", { class: "faint" }, ` ${format.clock(trace.begin + trace.start[row])}`)),
      fact("Service", h("a", { href: filterAddress(`service(${quote(trace.service(row))})`) }, format.plain(trace.service(row), 200))),
      parent >= 0 && fact("Parent", h("button", { class: "link", onclick: () => onSelect(trace.ids[parent]) }, format.plain(trace.name(parent), 120))),
      json.user && fact("User", h("a", { href: filterAddress(`user = ${quote(json.user)}`) }, format.plain(json.user, 200))),
      json.origin && fact("Origin", format.plain(json.origin, 200)),
      sampling && fact("Sampled", sampling),
      fact("Id", h("code", {}, trace.ids[row])),
    ),
    callouts,
  );
}

function callout(kind, title, text) {
  return h("div", { class: `callout ${kind}` }, h("strong", {}, title), h("span", {}, text));
}

function exceptions(cause, onSelect) {
  if (!cause) return null;
  if (typeof cause === "string") {
    return section("Exceptions", h("p", { class: "muted" }, "Recorded on ", h("button", { class: "link", onclick: () => onSelect(cause) }, "the entity where it happened"), "."));
  }
  const list = Array.isArray(cause.exceptions) ? cause.exceptions : [];
  if (!list.length) return null;
  const frame = ({ path, line, label }) =>
    h("li", {}, h("span", { class: "frame-label" }, format.plain(label ?? "?", 400)), h("span", { class: "frame-place" }, [path, line].filter((part) => part !== undefined && part !== "").map((part) => format.plain(part, 300)).join(":")));
  return section(
    list.length === 1 ? "Exception" : `Exceptions ${list.length}`,
    list.slice(0, 50).map((exception) =>
      h(
        "div",
        { class: "exception" },
        h("div", { class: "exception-head" }, h("strong", {}, format.plain(exception.type || "Exception", 300)), exception.remote && h("span", { class: "tag" }, "remote")),
        h("p", {}, format.plain(exception.message, MAX_VALUE)),
        Array.isArray(exception.stack) && exception.stack.length > 0 && h("ol", { class: "stack mono" }, exception.stack.slice(0, MAX_LISTED).map(frame)),
        exception.truncated > 0 && h("p", { class: "faint" }, `${format.plural(exception.truncated, "frame")} cut`),
        exception.skipped > 0 && h("p", { class: "faint" }, `${format.plural(exception.skipped, "exception")} skipped`),
      ),
    ),
    cause.working_directory && h("p", { class: "faint mono" }, format.plain(cause.working_directory, 300)),
  );
}

/** A list of names and values; annotations lead to the traces with the same value. */
function pairs(title, members, filters = false) {
  const entries = Object.entries(members ?? {});
  if (!entries.length) return null;
  const value = (key, item) => {
    const text = item !== null && typeof item === "object" ? JSON.stringify(item) : String(item);
    const shown = format.plain(text, MAX_VALUE);
    const scalar = item !== null && typeof item !== "object";
    return filters && scalar && text.length < 500 ? h("a", { href: filterAddress(annotationTerm(key, item)), title: "Traces with this value" }, shown) : shown;
  };
  return section(
    title,
    h("dl", { class: "facts" }, entries.slice(0, MAX_LISTED).map(([key, item]) => [h("dt", {}, format.plain(key, 200)), h("dd", {}, value(key, item))])),
    entries.length > MAX_LISTED && h("p", { class: "faint" }, `${format.count(entries.length - MAX_LISTED)} more are in the raw JSON`),
  );
}

function http(http) {
  if (!http) return null;
  const url = http.request?.url;
  const link = typeof url === "string" && /^https?:\/\//i.test(url) ? h("a", { href: url, class: "break" }, format.plain(url, 2000)) : url && format.plain(url, 2000);
  const rows = [
    ["Request", http.request?.method && h("span", { class: "mono" }, format.plain(http.request.method, 40))],
    ["URL", link],
    ["Status", http.response?.status],
    ["Length", typeof http.response?.content_length === "number" && format.bytes(http.response.content_length)],
    ["Client", http.request?.client_ip && format.plain(http.request.client_ip, 100)],
    ["User agent", http.request?.user_agent && format.plain(http.request.user_agent, 500)],
  ].filter(([, value]) => value);
  return section("HTTP", h("dl", { class: "facts" }, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
}

function sql(sql) {
  if (!sql) return null;
  const { sanitized_query: query, ...rest } = sql;
  return h(
    "section",
    { "data-title": "SQL" },
    h("h3", {}, "SQL", query && h("button", { class: "icon-button small", "aria-label": "Copy the query", title: "Copy", onclick: () => copy(query) }, icon("copy", 14))),
    query && h("pre", { class: "query" }, format.plain(query, MAX_VALUE)),
    h("dl", { class: "facts" }, Object.entries(rest).slice(0, 20).map(([name, value]) => [h("dt", {}, format.plain(name.replaceAll("_", " "), 60)), h("dd", {}, format.plain(typeof value === "string" ? value : JSON.stringify(value), 1000))])),
  );
}

function metadata(metadata) {
  if (!metadata || !Object.keys(metadata).length) return null;
  return section("Metadata", jsonView(metadata));
}

function raw(json) {
  const text = JSON.stringify(json, null, 2);
  return h(
    "section",
    { "data-title": "Raw" },
    h("h3", {}, "Raw", h("button", { class: "icon-button small", "aria-label": "Copy the JSON", title: "Copy", onclick: () => copy(text) }, icon("copy", 14))),
    jsonView(json),
  );
}

/** Writes nested members with dotted names: `ecs.container`. */
function flatten(value, prefix = "", level = 0) {
  const flat = {};
  for (const [key, item] of Object.entries(value ?? {})) {
    if (item && typeof item === "object" && !Array.isArray(item) && level < 3) Object.assign(flat, flatten(item, `${prefix}${key}.`, level + 1));
    else flat[prefix + key] = item;
  }
  return flat;
}
