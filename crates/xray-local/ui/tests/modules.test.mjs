import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { posix } from "node:path";
import test from "node:test";

const read = (file) => readFileSync(new URL(`../${file}`, import.meta.url), "utf8");

/** A module, and all that it imports before it runs. */
function imported(file, found = new Set()) {
  if (found.has(file)) return found;
  found.add(file);
  for (const [, path] of read(file).matchAll(/^import [^;]*? from "(\..*?)";/gms)) imported(posix.join(posix.dirname(file), path), found);
  return found;
}

test("the page preloads exactly the modules that the list, a trace and the map import", () => {
  const shell = new Set([...read("index.html").matchAll(/rel="modulepreload" href="\/ui\/(.*?)"/g)].map(([, file]) => file));
  const pages = [["LIST", "traces/page.js"], ["TRACE", "trace/page.js"], ["MAP", "map/page.js"]].map(([name, page]) => {
    const list = new RegExp(`const ${name} =\\s*"(.*?)"`).exec(read("early.js"))[1];
    return { page, files: new Set(list.split(" ").map((module) => `${module}.js`)) };
  });
  for (const { page, files } of pages) {
    const wanted = new Set([...imported("app.js"), ...imported(page)]);
    assert.deepEqual([...wanted].filter((file) => !shell.has(file) && !files.has(file)), [], `missing for ${page}`);
    assert.deepEqual([...files].filter((file) => !wanted.has(file) || shell.has(file)), [], `needless for ${page}`);
  }
  const everywhere = pages.map(({ page }) => imported(page));
  assert.deepEqual([...shell].filter((file) => !imported("app.js").has(file) && !everywhere.every((page) => page.has(file))), [], "needless in index.html");
});
