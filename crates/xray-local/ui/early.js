// Runs before the first paint: sets a chosen theme, so that it does not flash, and asks for the data and the modules of the
// pages that are opened most, which would otherwise wait for one module after the other.
{
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;

  // Modules that a page imports in addition to those in `index.html`.
  const LIST = "traces/page status_tag virtual filter/box filter/complete time_range time_range_text range_dialog traces/buckets traces/first_start connect traces/facets traces/histogram traces/list traces/rows";
  const TRACE =
    "trace/page status_tag virtual json_view map/graph group_by trace/model map/view map/layout trace/copy trace/documents trace/entities trace/own_time trace/own_time_table trace/refuse trace/sampling_reason sampling/decide trace/timeline trace/drawer trace/find trace/minimap trace/repeats trace/untraced trace/visible_rows trace/waterfall trace/action trace/time_axis";
  const MAP =
    "map/page filter/box filter/complete time_range time_range_text range_dialog traces/histogram map/graph map/view map/layout group_by trace/model";

  const { pathname, search } = location;
  const asked = new URLSearchParams(search);
  const trace = /^\/traces\/([^/]+)/.exec(pathname);
  let path = "";
  let modules = "";
  if (trace) [path, modules] = [`/api/traces/${trace[1]}`, TRACE];
  else if (pathname === "/traces") {
    const query = new URLSearchParams();
    for (const name of ["filter", "timeRange"]) if (asked.get(name)) query.set(name, asked.get(name));
    query.set("sort", asked.get("sort") ?? "-time");
    query.set("limit", "500");
    [path, modules] = [`/api/traces?${query}`, LIST];
  } else if (pathname === "/service-map") {
    const query = new URLSearchParams({ filter: asked.get("filter") ?? "", timeRange: asked.get("timeRange") ?? "" });
    [path, modules] = [`/api/graph?${query}`, MAP];
  }
  if (path) {
    globalThis.early = { path, response: fetch(path).catch(() => null) };
    for (const name of modules.split(" ")) {
      const link = document.createElement("link");
      link.rel = "modulepreload";
      link.href = new URL(`${name}.js`, document.currentScript.src).href;
      document.head.append(link);
    }
  }
}
