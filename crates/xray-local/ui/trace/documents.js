//! How a trace arrived: its documents in order, with sizes and what each of them changed.

import { h, replace } from "../dom.js";
import * as format from "../format.js";
import { jsonView } from "../json_view.js";

/** Share of the limit from which a document's size is marked. */
const NEARLY_FULL = 0.9;

/**
 * Makes the tab.
 * @param {any[]} documents as the program lists them
 * @param {import("./refuse.js").Problem[]} problems
 * @param {(entity: string) => string} nameOf
 */
export function documentsView(documents, problems, nameOf) {
  const first = Math.min(...documents.map(({ arrived }) => arrived));
  const table = h(
    "table",
    { class: "table documents" },
    h("thead", {}, h("tr", {}, ["#", "Arrived", "Size", "What", "Entities", "From port", "SDK"].map((title, i) => h("th", { class: [0, 1].includes(i) ? "num" : null, scope: "col" }, title)))),
    h("tbody", {}, documents.map((document, i) => rows(document, i, first))),
  );
  return h(
    "div",
    { class: "page scrolls" },
    h(
      "div",
      { class: "column wide" },
      problems.length > 0 &&
        h(
          "section",
          {},
          h("h2", { class: "section-title" }, "What X-Ray would refuse or cut"),
          h(
            "ul",
            { class: "card problems" },
            problems.slice(0, 100).map(({ kind, entity, text }) => h("li", {}, h("span", { class: `tag ${kind === "refused" ? "fault" : "error"}` }, kind), h("span", {}, format.plain(text, 300)), entity && h("span", { class: "faint clip" }, format.plain(nameOf(entity), 80)))),
          ),
          problems.length > 100 && h("p", { class: "faint" }, `${format.count(problems.length - 100)} more`),
        ),
      h("section", {}, h("h2", { class: "section-title" }, format.plural(documents.length, "document")), h("div", { class: "table-scroll", tabIndex: 0, role: "region", "aria-label": "Documents" }, table)),
    ),
  );
}

function rows(document, i, first) {
  const share = document.bytes / document.limit;
  const states = { new: 0, updated: 0, ignored: 0 };
  for (const [, , state] of document.entities) states[state] += 1;
  const content = h("td", { colspan: "7" });
  const detail = h("tr", { hidden: true }, content);
  const open = h("button", { class: "link num", "aria-expanded": "false" }, String(i + 1));
  open.addEventListener("click", () => {
    detail.hidden = !detail.hidden;
    open.setAttribute("aria-expanded", String(!detail.hidden));
    if (!content.childNodes.length) replace(content, view(document.text));
  });
  return [
    h(
      "tr",
      {},
      h("td", { class: "num" }, open),
      h("td", { class: "num" }, `+${format.duration(document.arrived - first)}`),
      h("td", {}, h("span", { class: `size${share > NEARLY_FULL ? " full" : ""}`, "--share": Math.min(1, share), title: `${format.percent(share)} of a datagram` }, format.bytes(document.bytes))),
      h("td", {}, document.kind, document.repeated > 0 && h("span", { class: "tag" }, `${document.repeated} × again`)),
      h("td", {}, Object.entries(states).filter(([, n]) => n > 0).map(([state, n]) => h("span", { class: `state ${state}` }, `${format.count(n)} ${state}`))),
      h("td", { class: "num-left" }, document.port || "HTTP"),
      h("td", { class: "muted" }, format.plain(document.sdk || "not named", 80)),
    ),
    detail,
  ];
}

function view(text) {
  try {
    return jsonView(JSON.parse(text));
  } catch {
    return h("pre", {}, format.plain(text, 20_000));
  }
}
