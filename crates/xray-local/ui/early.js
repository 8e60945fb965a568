// Runs before the first paint: sets a chosen theme, so that it does not flash, and asks for what the address shows while the
// modules load.
{
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;

  const { pathname, search } = location;
  const trace = /^\/traces\/([^/]+)/.exec(pathname);
  let path = "";
  if (trace) {
    path = `/api/traces/${trace[1]}`;
    import("/ui/trace/page.js").catch(() => {});
  } else if (pathname === "/traces") {
    const asked = new URLSearchParams(search);
    const query = new URLSearchParams();
    for (const name of ["filter", "timeRange"]) if (asked.get(name)) query.set(name, asked.get(name));
    query.set("sort", asked.get("sort") ?? "-time");
    query.set("limit", "500");
    path = `/api/traces?${query}`;
  }
  if (path) globalThis.early = { path, response: fetch(path).catch(() => null) };
}
