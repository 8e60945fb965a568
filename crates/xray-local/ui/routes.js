//! Addresses of the page, as pure functions; `router.js` connects them to the browser's history.

/**
 * @typedef {object} Route
 * @property {"traces" | "trace" | "compare" | "map" | "sampling" | "status" | "unknown"} page
 * @property {Record<string, string>} path values from the path
 * @property {URLSearchParams} params
 */

const TRACE_TABS = ["timeline", "time", "map", "documents", "raw"];

/**
 * Reads an address.
 * @param {URL} url
 * @returns {Route}
 */
export function readRoute(url) {
  const parts = url.pathname.split("/").filter(Boolean).map(decode);
  const route = (page, path = {}) => ({ page, path, params: url.searchParams });
  switch (parts[0]) {
    case "traces": {
      if (parts.length === 1) return route("traces");
      const tab = parts[2] ?? "timeline";
      return parts.length <= 3 && TRACE_TABS.includes(tab) ? route("trace", { id: parts[1], tab }) : route("unknown");
    }
    case "compare":
      return route("compare");
    case "service-map":
      return route("map");
    case "sampling":
      return route("sampling", parts[1] ? { rule: parts[1] } : {});
    case "status":
      return route("status");
    default:
      return route("unknown");
  }
}

/**
 * Returns the address that `/` and the AWS console's deep links stand for, or null if the address is already one of the page.
 * @param {URL} url
 * @returns {string | null}
 */
export function redirect(url) {
  const { pathname, hash } = url;
  const console = pathname === "/" || pathname.startsWith("/xray") || pathname.startsWith("/cloudwatch");
  if (!console) return null;
  const [path, query] = split(hash.replace(/^#/, "").replace(/^xray:/, ""), "?");
  const search = query ? `?${query}` : "";
  const known = /^\/?(traces|service-map)(\/[^/]+)?/.exec(path);
  if (!known) return `/traces${url.search}`;
  // The console's service map has no item below it.
  return known[1] === "traces" ? `/traces${known[2] ?? ""}${search}` : `/service-map${search}`;
}

/** Returns the address of a trace. */
export function traceAddress(id, tab = "timeline", params = {}) {
  const query = new URLSearchParams(params).toString();
  return `/traces/${encodeURIComponent(id)}${tab === "timeline" ? "" : `/${tab}`}${query ? `?${query}` : ""}`;
}

/** Returns the address of the list with this filter. */
export function filterAddress(filter, timeRange) {
  const params = new URLSearchParams();
  if (filter) params.set("filter", filter);
  if (timeRange) params.set("timeRange", timeRange);
  const query = params.toString();
  return `/traces${query ? `?${query}` : ""}`;
}

function split(text, separator) {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
