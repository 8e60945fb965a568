//! Navigation with the History API: one page at a time, all of its state in the address.

import { readRoute, redirect } from "./routes.js";

/** @type {(route: import("./routes.js").Route) => void} */
let show = () => {};
let lastList = "/traces";

/** The address of the list as it was left: with its filter, range and order. */
export const listAddress = () => lastList;

/** Starts to show pages: the current address, and each one that follows. */
export function startRouter(onRoute) {
  show = onRoute;
  window.addEventListener("popstate", dispatch);
  window.addEventListener("hashchange", dispatch);
  document.addEventListener("click", followLink);
  dispatch();
}

/** Goes to an address of this page. */
export function navigate(address, { replace = false } = {}) {
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  dispatch();
}

/** Changes parameters of the current address; `null` removes one. Steps that need no "back" replace the entry. */
export function setParams(changes, { replace = true } = {}) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  // The console's addresses have "~" as it is.
  const address = url.pathname + url.search.replaceAll("%7E", "~");
  if (address !== location.pathname + location.search) navigate(address, { replace });
}

function dispatch() {
  const url = new URL(location.href);
  const target = redirect(url);
  if (target) {
    history.replaceState(null, "", target);
    return dispatch();
  }
  const route = readRoute(url);
  if (route.page === "traces") lastList = url.pathname + url.search;
  show(route);
}

function followLink(event) {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
  if (!link || link.target || link.hasAttribute("download")) return;
  const url = new URL(link.href);
  // Addresses of the API are files, not pages; `#main` stays with the browser.
  if (url.origin !== location.origin || url.pathname.startsWith("/api/") || link.getAttribute("href").startsWith("#")) return;
  event.preventDefault();
  navigate(url.pathname + url.search);
}
