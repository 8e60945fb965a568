//! Menus and short messages.

import { h } from "./dom.js";

/** Places a popup below an element, inside the window. */
export function place(popup, anchor) {
  const box = anchor.getBoundingClientRect();
  popup.style.setProperty("left", `${Math.max(8, Math.min(box.left, innerWidth - popup.offsetWidth - 8))}px`);
  const below = box.bottom + 4;
  const fits = below + popup.offsetHeight < innerHeight || box.top < popup.offsetHeight;
  popup.style.setProperty("top", `${fits ? below : box.top - popup.offsetHeight - 4}px`);
}

/**
 * @typedef {{ title: string, hint?: string, checked?: boolean, run: () => void } | { label: string } | "separator"} MenuItem
 */

/**
 * Opens a menu below its button.
 * @param {HTMLElement} button
 * @param {MenuItem[]} items
 */
export function openMenu(button, items) {
  const entry = (item) => {
    if (item === "separator") return h("hr", {});
    if ("label" in item) return h("div", { class: "label", role: "presentation" }, item.label);
    return h(
      "button",
      {
        role: item.checked === undefined ? "menuitem" : "menuitemradio",
        "aria-checked": item.checked === undefined ? null : String(item.checked),
        tabIndex: -1,
        onclick: () => {
          close(true);
          item.run();
        },
      },
      h("span", {}, item.title),
      h("span", { class: "hint" }, item.checked ? "✓" : item.hint),
    );
  };
  const menu = h("div", { class: "popup", role: "menu", "aria-label": button.getAttribute("aria-label") ?? button.textContent }, items.map(entry));
  const buttons = /** @type {HTMLElement[]} */ ([...menu.querySelectorAll("button")]);
  const step = (by) => {
    const at = buttons.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    buttons[(at + by + buttons.length) % buttons.length]?.focus();
  };
  const close = (refocus) => {
    menu.remove();
    document.removeEventListener("pointerdown", outside, true);
    button.setAttribute("aria-expanded", "false");
    if (refocus) button.focus();
  };
  const outside = (event) => {
    if (!menu.contains(event.target)) close(false);
  };
  menu.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") step(1);
    else if (event.key === "ArrowUp") step(-1);
    else if (event.key === "Escape" || event.key === "Tab") close(true);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  // In the landmark of its button, where readers of the page expect it.
  (button.closest("main, header") ?? document.body).append(menu);
  place(menu, button);
  button.setAttribute("aria-expanded", "true");
  document.addEventListener("pointerdown", outside, true);
  (buttons.find((entry) => entry.getAttribute("aria-checked") === "true") ?? buttons[0])?.focus();
}

const toasts = h("div", { class: "toasts", role: "status" });

/** Shows a message for some seconds, with at most one action. */
export function toast(text, { action, run, seconds = 3 } = {}) {
  if (!toasts.isConnected) document.body.append(toasts);
  const message = h(
    "div",
    { class: "toast" },
    text,
    action &&
      h(
        "button",
        {
          onclick: () => {
            message.remove();
            run();
          },
        },
        action,
      ),
  );
  toasts.replaceChildren(message);
  setTimeout(() => message.remove(), seconds * 1000);
  return message;
}

/** Copies text and says so. */
export async function copy(text, what = "Copied") {
  try {
    await navigator.clipboard.writeText(text);
    toast(what);
  } catch {
    toast("The browser did not allow access to the clipboard");
  }
}

/** Saves text as a file. */
export function download(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/html" }));
  const link = h("a", { download: name });
  // The address is one of this page's own, which `h` has no reason to permit.
  link.setAttribute("href", address);
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

const region = h("div", { class: "visually-hidden", "aria-live": "polite" });
let lastSpoken = -Infinity;
let waiting = 0;

/** Says something to screen readers, at most every five seconds; only the last of several messages is said. */
export function announce(text) {
  if (!region.isConnected) document.body.append(region);
  clearTimeout(waiting);
  const wait = Math.max(0, lastSpoken + 5000 - performance.now());
  waiting = setTimeout(() => {
    lastSpoken = performance.now();
    region.textContent = text;
  }, wait);
}
