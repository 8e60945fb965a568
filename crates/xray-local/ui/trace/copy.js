//! A trace as text: for a chat, an issue, a test.

import * as format from "../format.js";
import { quote } from "../filter/words.js";
import { outcome } from "../status_tag.js";

const WIDTH = 40;
const MAX_LINES = 400;

/** @typedef {import("./model.js").TraceModel} TraceModel */

/** Returns the waterfall as text of fixed width. */
export function asText(trace) {
  const count = Math.min(trace.count, MAX_LINES);
  const labels = Array.from({ length: count }, (_, i) => `${"  ".repeat(Math.min(trace.depth[i], 20))}${format.plain(trace.name(i), 40)}`);
  const width = Math.max(...labels.map((label) => label.length));
  const lines = labels.map((label, i) => {
    const from = Math.round((trace.start[i] / trace.duration) * WIDTH);
    const to = Math.max(from + 1, Math.round((trace.stop[i] / trace.duration) * WIDTH));
    const bar = `${" ".repeat(from)}${(trace.isOpen(i) ? "▒" : "█").repeat(Math.min(WIDTH, to) - Math.min(from, WIDTH - 1))}`.padEnd(WIDTH);
    const took = trace.isOpen(i) ? "open" : format.duration(trace.stop[i] - trace.start[i]);
    const { sign, word } = outcome(trace.flagsOf(i));
    return `${label.padEnd(width)}  ${bar}  ${took.padStart(8)}${sign ? `  ${sign} ${trace.status[i] || word}` : ""}`.trimEnd();
  });
  if (trace.count > count) lines.push(`… and ${format.plural(trace.count - count, "more entity", "more entities")}`);
  return [`${trace.id}  ${format.duration(trace.duration)}`, ...lines].join("\n");
}

/** Returns the waterfall for Markdown, with the address of this page. */
export function asMarkdown(trace, address) {
  const bad = [];
  for (let i = 0; i < trace.count && bad.length < 5; i += 1) if (trace.isBad(i)) bad.push(`- ${outcome(trace.flagsOf(i)).word}: \`${format.plain(trace.name(i), 60)}\` ${format.plain(trace.action(i), 80)}`.trimEnd());
  return [`**${format.plain(trace.name(0), 80)}** ${format.plain(trace.action(0), 120)} – ${format.duration(trace.duration)} – [${trace.id}](${address})`, ...bad, "", "```text", asText(trace), "```"].join("\n");
}

/** Returns one HTML file without scripts, which opens offline. */
export function asHtml(trace) {
  const escape = (text) => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
  const title = escape(`${format.plain(trace.name(0), 80)} ${format.duration(trace.duration)}`);
  const rows = Array.from({ length: trace.count }, (_, i) => {
    const { kind, sign, word } = outcome(trace.flagsOf(i));
    const place = `left:${((trace.start[i] / trace.duration) * 100).toFixed(2)}%;width:${(((trace.stop[i] - trace.start[i]) / trace.duration) * 100).toFixed(2)}%`;
    const took = trace.isOpen(i) ? "in progress" : format.duration(trace.stop[i] - trace.start[i]);
    const name = `${sign ? `${sign} ` : ""}${format.plain(trace.name(i), 80)}`;
    return `<tr class="${kind}"><td style="padding-left:${Math.min(trace.depth[i], 20) * 14}px">${escape(name)} <small>${escape(format.plain(trace.action(i), 120))}</small></td><td>${escape(took)}</td><td title="${word}"><i style="${place}"></i></td></tr>`;
  });
  return `<!doctype html><meta charset="utf-8"><title>${title}</title><style>
body{font:13px/20px system-ui,sans-serif;margin:24px;color-scheme:light dark}table{width:100%;border-collapse:collapse;table-layout:fixed}
td{padding:3px 8px 3px 0;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}td:nth-child(2){width:80px;text-align:right}
td:nth-child(1){width:38%}td:nth-child(3){position:relative;overflow:visible}small{opacity:.65}
i{position:absolute;top:8px;height:10px;min-width:2px;border-radius:2px;background:#6f8fd0}.fault i{background:#dc3d43}.error i{background:#dd8b16}.throttle i{background:#9457d3}
</style><h1>${title}</h1><p>${escape(trace.id)} · ${escape(format.iso(trace.begin))}</p><table>${rows.join("\n")}</table>
`;
}

/** Returns a filter expression that finds traces like this one. */
export function asFilter(trace) {
  const services = [...new Set(Array.from({ length: trace.count }, (_, i) => i).filter((i) => trace.isSegment(i)).map((i) => trace.name(i)))];
  const conditions = services.slice(0, 6).map((name) => `service(${quote(name)})`);
  const [method, url] = trace.count ? trace.action(0).split(" ", 2) : [];
  if (url) conditions.push(`http.method = ${quote(method)}`, `http.url = ${quote(url)}`);
  if (trace.count && trace.flagsOf(0).fault) conditions.push("fault");
  return conditions.join(" AND ");
}

/** Returns the call that fetches this trace. */
export function asCurl(trace, origin) {
  return `curl -s ${origin}/Traces -d '{"TraceIds":["${trace.id}"]}'`;
}

/** Lines of a tree: two blanks per level, then the name. */
function tree(trace) {
  return Array.from({ length: Math.min(trace.count, MAX_LINES) }, (_, i) => `${"  ".repeat(trace.depth[i])}${trace.name(i)}`);
}

/** Returns a test with xray-local as a library. */
export function asRustTest(trace) {
  const names = tree(trace).map((line) => `            ${JSON.stringify(line)},`);
  return `#[test]
fn records_the_expected_tree() -> Result<(), Box<dyn std::error::Error>> {
    let receiver = xray_local::Receiver::bind("127.0.0.1:0")?;
    // Set AWS_XRAY_DAEMON_ADDRESS to receiver.address() and make the request here.
    assert!(receiver.wait_for(1, std::time::Duration::from_secs(5)));
    let traces = receiver.traces(r#"${asFilter(trace)}"#)?;
    let tree: Vec<_> = traces[0].nodes().map(|node| format!("{}{}", "  ".repeat(node.depth()), node.name())).collect();
    assert_eq!(
        tree,
        [
${names.join("\n")}
        ]
    );
    Ok(())
}
`;
}

/** Returns a test for pytest against a running xray-local. */
export function asPythonTest(trace, origin) {
  const filter = asFilter(trace);
  const names = tree(trace).map((line) => `        ${JSON.stringify(line)},`);
  return `import json, urllib.parse, urllib.request

XRAY = ${JSON.stringify(origin)}


def get(path):
    with urllib.request.urlopen(XRAY + path, timeout=20) as response:
        return json.load(response)


def test_records_the_expected_tree():
    # Make the request here.
    query = urllib.parse.urlencode({"filter": ${JSON.stringify(filter)}, "timeout": "10s"})
    found = get("/api/wait?" + query)["traces"][-1]
    trace = get("/api/traces/" + found["id"])
    entities = trace["entities"]
    assert ["  " * depth + trace["names"][name] for depth, name in zip(entities["depth"], entities["name"])] == [
${names.join("\n")}
    ]
`;
}

/** Returns a test for node:test against a running xray-local. */
export function asNodeTest(trace, origin) {
  const filter = asFilter(trace);
  const names = tree(trace).map((line) => `    ${JSON.stringify(line)},`);
  return `import assert from "node:assert/strict";
import test from "node:test";

const XRAY = ${JSON.stringify(origin)};
const get = async (path) => (await fetch(XRAY + path)).json();

test("records the expected tree", async () => {
  // Make the request here.
  const query = new URLSearchParams({ filter: ${JSON.stringify(filter)}, timeout: "10s" });
  const { traces } = await get(\`/api/wait?\${query}\`);
  const { names, entities } = await get(\`/api/traces/\${traces.at(-1).id}\`);
  assert.deepEqual(entities.depth.map((depth, i) => "  ".repeat(depth) + names[entities.name[i]]), [
${names.join("\n")}
  ]);
});
`;
}
