//! The dialog that asks for the two ends of a time range.

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { localTime, readEnds } from "./time_range_text.js";

/**
 * Opens the dialog.
 * @param {[number, number]} ends epoch milliseconds, to begin with
 * @param {(range: string) => void} onChoose gets `START~END`
 */
export function askForRange([from, to], onChoose) {
  const field = (id, title, time) => {
    const input = /** @type {HTMLInputElement} */ (h("input", { class: "input", id, type: "datetime-local", step: "1", value: localTime(time), required: true }));
    return { input, element: h("div", { class: "field" }, h("label", { htmlFor: id }, title), input) };
  };
  const first = field("range-from", "From", from);
  const last = field("range-to", "To", to);
  const failure = h("p", { class: "form-failure", role: "alert", hidden: true });
  const presets = [["5 minutes", 5], ["1 hour", 60], ["1 day", 1440]].map(([title, minutes]) =>
    h("button", { type: "button", onclick: () => set(Number(minutes)) }, `Last ${title}`),
  );
  const form = h(
    "form",
    { class: "dialog-body rule-form", novalidate: true, onsubmit: submit },
    first.element,
    last.element,
    h("div", { class: "field whole" }, h("div", { class: "segmented", role: "group", "aria-label": "Fill in" }, presets)),
    failure,
    h("div", { class: "form-actions" }, h("button", { class: "button", type: "button", onclick: () => dialog.close() }, "Cancel"), h("button", { class: "button primary", type: "submit" }, "Show")),
  );
  const dialog = /** @type {HTMLDialogElement} */ (
    h("dialog", { "aria-labelledby": "range-title", onclose: () => dialog.remove() }, h("div", { class: "dialog-head" }, h("h2", { id: "range-title" }, "Time range"), h("button", { class: "icon-button", "aria-label": "Close", onclick: () => dialog.close() }, icon("close"))), form)
  );

  function set(minutes) {
    const now = Date.now();
    first.input.value = localTime(now - minutes * 60_000);
    last.input.value = localTime(now);
  }

  function submit(event) {
    event.preventDefault();
    const { range, error } = readEnds(first.input.value, last.input.value);
    if (range) {
      dialog.close();
      onChoose(range);
      return;
    }
    failure.hidden = false;
    failure.textContent = error;
    first.input.focus();
  }

  document.body.append(dialog);
  dialog.showModal();
  first.input.focus();
}
