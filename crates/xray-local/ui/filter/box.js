//! The filter box: colours, completion, and the place of an error.

import { h, replace, set } from "../dom.js";
import { icon } from "../icons.js";
import { complete } from "./complete.js";
import { isKeyword, words } from "./words.js";

/**
 * Makes a filter box.
 * @param {object} options
 * @param {(filter: string) => void} options.onRun
 * @param {() => import("./complete.js").Vocabulary} options.vocabulary
 * @param {string} [options.label]
 */
export function filterBox({ onRun, vocabulary, label = "Filter expression" }) {
  const mirror = h("div", { class: "filter-mirror", "aria-hidden": "true" });
  const list = h("div", { class: "popup completion", role: "listbox", id: "completion", "aria-label": "Completions", hidden: true });
  const message = h("div", { class: "filter-message", id: "filter-message", role: "alert", hidden: true });
  const input = /** @type {HTMLInputElement} */ (
    h("input", {
      class: "filter-input",
      type: "text",
      role: "combobox",
      spellcheck: "false",
      autocomplete: "off",
      autocapitalize: "off",
      placeholder: 'service("shop") { fault } AND duration > 0.5',
      "aria-label": label,
      "aria-expanded": "false",
      "aria-controls": "completion",
      "aria-autocomplete": "list",
    })
  );
  const clear = h("button", { class: "icon-button small", "aria-label": "Clear filter", title: "Clear", hidden: true, onclick: () => run("") }, icon("close", 14));
  const field = h("div", { class: "filter" }, icon("filter"), h("div", { class: "filter-text" }, mirror, input), clear, h("kbd", { "aria-hidden": "true" }, "/"));
  const element = h("div", { class: "filter-box" }, field, message, list);

  /** @type {{ from: number, to: number, options: import("./complete.js").Option[] }} */
  let found = { from: 0, to: 0, options: [] };
  let chosen = -1;
  /** @type {{ message: string, at: number | null } | null} */
  let failure = null;

  function draw() {
    const text = input.value;
    const spans = [];
    let end = 0;
    for (const word of words(text)) {
      const broken = failure?.at !== null && failure && failure.at >= word.from && failure.at < word.to;
      const kind = word.kind === "word" && isKeyword(word.text) ? "keyword" : word.kind;
      spans.push(text.slice(end, word.from), h("span", { class: `w-${kind}${broken ? " w-broken" : ""}` }, word.text));
      end = word.to;
    }
    if (failure && failure.at !== null && failure.at >= end) spans.push(text.slice(end, failure.at), h("span", { class: "w-broken" }, "\u00a0"));
    else spans.push(text.slice(end));
    replace(mirror, spans);
    mirror.scrollLeft = input.scrollLeft;
    clear.hidden = !text;
  }

  function suggest() {
    found = complete(input.value, input.selectionStart ?? 0, vocabulary());
    chosen = -1;
    const entry = (option, i) =>
      h(
        "div",
        {
          role: "option",
          id: `completion-${i}`,
          "aria-selected": "false",
          onpointerdown: (event) => {
            event.preventDefault();
            accept(i);
          },
        },
        h("span", { class: "mono clip" }, option.label),
        h("span", { class: "hint" }, option.hint),
      );
    replace(list, found.options.map(entry));
    list.hidden = found.options.length === 0;
    set(input, { "aria-expanded": String(!list.hidden), "aria-activedescendant": null });
    if (list.hidden) return;
    const box = field.getBoundingClientRect();
    list.style.setProperty("left", `${box.left + 28 + Math.min(measure(found.from), box.width - 220)}px`);
    list.style.setProperty("top", `${box.bottom + 4}px`);
  }

  /** The horizontal place of a character; the font is monospaced. */
  function measure(at) {
    const width = mirror.scrollWidth && input.value.length ? textWidth(input.value.slice(0, at)) : 0;
    return Math.max(0, width - input.scrollLeft);
  }

  function textWidth(text) {
    const probe = h("span", { class: "filter-probe" }, text);
    mirror.append(probe);
    const { width } = probe.getBoundingClientRect();
    probe.remove();
    return width;
  }

  function hide() {
    list.hidden = true;
    set(input, { "aria-expanded": "false", "aria-activedescendant": null });
  }

  function choose(step) {
    const entries = list.children;
    entries[chosen]?.setAttribute("aria-selected", "false");
    chosen = (chosen + step + entries.length) % entries.length;
    entries[chosen].setAttribute("aria-selected", "true");
    entries[chosen].scrollIntoView({ block: "nearest" });
    set(input, { "aria-activedescendant": `completion-${chosen}` });
  }

  function accept(i) {
    const { text } = found.options[i];
    const mark = text.indexOf("‸");
    const inserted = text.replace("‸", "");
    const caret = found.from + (mark < 0 ? inserted.length : mark);
    input.setRangeText(inserted, found.from, found.to);
    input.setSelectionRange(caret, caret);
    draw();
    suggest();
  }

  function run(text) {
    input.value = text;
    onRun(text.trim());
    hide();
    fail(null);
  }

  function fail(error) {
    // Drawing makes the browser lay out the page at once, which must not come between a response and its rows.
    if (!error && !failure) return;
    failure = error;
    message.hidden = !error;
    replace(message, error && error.message);
    set(input, { "aria-invalid": error ? "true" : null, "aria-describedby": error ? "filter-message" : null });
    field.classList.toggle("invalid", Boolean(error));
    draw();
  }

  input.addEventListener("input", () => {
    if (failure) fail(null);
    else draw();
    suggest();
  });
  input.addEventListener("scroll", () => (mirror.scrollLeft = input.scrollLeft));
  input.addEventListener("focus", suggest);
  input.addEventListener("blur", hide);
  input.addEventListener("keydown", (event) => {
    const open = !list.hidden;
    if (open && event.key === "ArrowDown") choose(1);
    else if (open && event.key === "ArrowUp") choose(chosen < 0 ? 0 : -1);
    else if (open && chosen >= 0 && (event.key === "Enter" || event.key === "Tab")) accept(chosen);
    else if (event.key === "Enter") run(input.value);
    else if (event.key === "Escape") {
      if (open) hide();
      else input.blur();
    } else return;
    event.preventDefault();
  });

  return {
    element,
    focus() {
      input.focus();
      input.select();
    },
    /** Runs what has been typed. */
    submit: () => run(input.value),
    /** Shows a filter, unless it is being edited. */
    show(filter) {
      if (document.activeElement !== input || !failure) {
        if (input.value.trim() !== filter) input.value = filter;
        draw();
      }
    },
    fail,
  };
}
