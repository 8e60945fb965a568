//! JSON as a tree that opens level by level, so that neither depth nor length of foreign data matters.

import { h } from "./dom.js";
import * as format from "./format.js";

const OPEN_LEVELS = 3;
const PAGE = 200;
const MAX_TEXT = 4000;

/** Makes the view of a JSON value. */
export function jsonView(value) {
  return h("div", { class: "json mono" }, entry(null, value, 0));
}

function entry(key, value, level) {
  const label = key === null ? null : h("span", { class: "json-key" }, format.plain(key, 200));
  if (value === null || typeof value !== "object") return h("div", { class: "json-line" }, label, label && ": ", scalar(value));
  const list = Array.isArray(value);
  const keys = list ? value.length : Object.keys(value).length;
  const brackets = list ? ["[", "]"] : ["{", "}"];
  if (keys === 0) return h("div", { class: "json-line" }, label, label && ": ", h("span", { class: "json-punctuation" }, brackets.join("")));
  const content = h("div", { class: "json-children" });
  const fill = () => {
    if (!content.childNodes.length) addPage(content, list ? value.map((item, i) => [i, item]) : Object.entries(value), 0, level + 1);
  };
  const details = h(
    "details",
    { ontoggle: () => details.open && fill() },
    h("summary", {}, label, label && ": ", h("span", { class: "json-punctuation" }, `${brackets[0]} `), h("span", { class: "json-count" }, format.plural(keys, list ? "item" : "member")), h("span", { class: "json-punctuation" }, ` ${brackets[1]}`)),
    content,
  );
  if (level < OPEN_LEVELS && keys <= 40) {
    fill();
    details.open = true;
  }
  return details;
}

function addPage(content, entries, from, level) {
  content.append(...entries.slice(from, from + PAGE).map(([key, item]) => entry(key, item, level)));
  const rest = entries.length - from - PAGE;
  if (rest <= 0) return;
  const more = h(
    "button",
    {
      class: "button small",
      onclick: () => {
        more.remove();
        addPage(content, entries, from + PAGE, level);
      },
    },
    `Show ${Math.min(PAGE, rest)} of ${format.count(rest)} more`,
  );
  content.append(more);
}

function scalar(value) {
  const kind = value === null ? "null" : typeof value;
  const text = kind === "string" ? `"${format.plain(value, MAX_TEXT)}"` : String(value);
  return h("span", { class: `json-${kind}` }, text);
}
