// Runs before the first paint: sets a chosen theme, so that it does not flash, and asks for the data and the modules of the two
// pages that are opened most, which would otherwise wait for one module after the other.
{
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;

  // Modules that a page imports in addition to those in `index.html`.
  const LIST = "traces/page filter/box filter/complete time_range time_range_text range_dialog traces/buckets traces/first_start connect traces/facets traces/histogram traces/list traces/rows";
  const TRACE =
    "trace/page json_view map/graph group_by trace/model map/view map/layout trace/copy trace/documents trace/entities trace/own_time trace/own_time_table trace/refuse trace/sampling_reason sampling/decide trace/timeline trace/drawer trace/find trace/minimap trace/repeats trace/untraced trace/visible_rows trace/waterfall trace/action trace/time_axis";

  const { pathname, search } = location;
  const trace = /^\/traces\/([^/]+)/.exec(pathname);
  let path = "";
  if (trace) path = `/api/traces/${trace[1]}`;
  else if (pathname === "/traces") {
    const asked = new URLSearchParams(search);
    const query = new URLSearchParams();
    for (const name of ["filter", "timeRange"]) if (asked.get(name)) query.set(name, asked.get(name));
    query.set("sort", asked.get("sort") ?? "-time");
    query.set("limit", "500");
    path = `/api/traces?${query}`;
  }
  if (path) {
    globalThis.early = { path, response: fetch(path).catch(() => null) };
    for (const name of (trace ? TRACE : LIST).split(" ")) {
      const link = document.createElement("link");
      link.rel = "modulepreload";
      link.href = new URL(`${name}.js`, document.currentScript.src).href;
      document.head.append(link);
    }
  }
}
