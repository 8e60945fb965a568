//! Keys: a table of bindings for each page, sequences such as `g t`, and the dialog that lists them.

import { h } from "./dom.js";
import { icon } from "./icons.js";

/**
 * @typedef {object} Binding
 * @property {string[]} keys alternatives, each one key or a sequence such as `g t`
 * @property {string} title
 * @property {(event: KeyboardEvent) => void | boolean} run returns false if the key has no meaning now
 */

/** @type {Map<string, Binding[]>} title of the group → bindings */
const groups = new Map();
let prefix = "";
let prefixEnds = 0;

/** Sets the bindings of a group, in place of the earlier ones; an empty list removes the group. */
export function bindKeys(group, bindings) {
  if (bindings.length) groups.set(group, bindings);
  else groups.delete(group);
}

const keysEnabled = () => localStorage.getItem("keys") !== "off";

const TYPING = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !keysEnabled()) return;
  const target = /** @type {Element} */ (event.target);
  if (target.closest?.(TYPING) || document.querySelector("dialog[open]")) return;
  // Enter and space belong to the focused control.
  if ((event.key === "Enter" || event.key === " ") && target.closest?.("button, a, summary, [role=menuitem], [role=tab], [role=option]")) return;
  // So do the arrow keys within tabs and menus.
  if (event.key.startsWith("Arrow") && target.closest?.("[role=tablist], [role=menu], [role=listbox]")) return;
  const sequence = prefix && event.timeStamp < prefixEnds ? `${prefix} ${event.key}` : event.key;
  prefix = "";
  for (const bindings of [...groups.values()].reverse()) {
    for (const binding of bindings) {
      if (binding.keys.includes(sequence) && binding.run(event) !== false) {
        event.preventDefault();
        return;
      }
    }
  }
  const begins = [...groups.values()].flat().some((binding) => binding.keys.some((keys) => keys.startsWith(`${event.key} `)));
  if (begins) {
    prefix = event.key;
    prefixEnds = event.timeStamp + 1000;
  }
});

const LABELS = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", Escape: "Esc", Delete: "Del", " ": "Space", PageUp: "PgUp", PageDown: "PgDn" };

/** Opens the dialog with all keys. */
export function showKeys() {
  const cap = (keys) => keys.split(" ").map((key) => h("kbd", {}, LABELS[key] ?? key));
  const section = ([title, bindings]) =>
    h(
      "section",
      {},
      h("h3", {}, title),
      h(
        "ul",
        {},
        bindings.map((binding) => h("li", {}, h("span", {}, binding.title), h("span", {}, binding.keys.flatMap(cap)))),
      ),
    );
  const enabled = h("input", {
    type: "checkbox",
    checked: keysEnabled(),
    onchange: () => (enabled.checked ? localStorage.removeItem("keys") : localStorage.setItem("keys", "off")),
  });
  const dialog = h(
    "dialog",
    { "aria-labelledby": "keys-title", onclose: () => dialog.remove(), onclick: (event) => event.target === dialog && dialog.close() },
    h(
      "div",
      { class: "dialog-head" },
      h("h2", { id: "keys-title" }, "Keys"),
      h("button", { class: "icon-button", "aria-label": "Close", onclick: () => dialog.close() }, icon("close")),
    ),
    h(
      "div",
      { class: "dialog-body" },
      h("div", { class: "keys" }, [...groups].map(section)),
      h("label", { class: "muted" }, enabled, " Single-key shortcuts are on"),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
}
