// Shows whether memory stays flat for hours: `node soak.mjs [MINUTES [RATE]]`, by default 1,440 minutes at 200 traces per second.
//
// A page with the live list is open, and a store file drops its oldest traces. Each minute prints the program's resident memory,
// the store file and the tab's heap after a collection. Exits with 1 if memory at the end differs by more than 5 % from the
// median of the second quarter, when all bounds are reached.
//
// The tab keeps up to 20,000 rows of the list, so that its heap rises and falls. It is measured while a filter matches nothing.

import { createSocket } from "node:dgram";
import { mkdtempSync, rmSync, statSync, readFileSync } from "node:fs";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPage, skip, startBrowser, startProgram } from "./harness.mjs";
import { HEADER, shopTrace, traceId } from "./traffic.mjs";

const [minutes = 1440, rate = 200] = process.argv.slice(2).map(Number);
const MEBIBYTE = 1024 * 1024;

if (skip) throw new Error(skip);
const cleanups = [];
const run = { after: (cleanup) => cleanups.unshift(cleanup) };
const folder = mkdtempSync(join(tmpdir(), "xray-soak-"));
run.after(() => rmSync(folder, { recursive: true }));
const store = join(folder, "traces.redb");

let grown = true;
try {
  const program = await startProgram(run, "--store", store, "--max-traces", "20000");
  const browser = await startBrowser(run);
  const { page, reports } = await openPage(browser, `${program.url}/traces`);
  const devtools = await page.context().newCDPSession(page);
  run.after(sendSteadily(program.address, rate));

  const samples = [];
  console.log("minute  program MiB  store MiB  tab MiB  datagrams");
  for (let minute = 1; minute <= minutes; minute += 1) {
    await new Promise((resolve) => setTimeout(resolve, 60_000));
    await showOnly(page, "duration > 1000");
    await page.getByText("No trace matches").waitFor();
    await devtools.send("HeapProfiler.collectGarbage");
    const { usedSize } = await devtools.send("Runtime.getHeapUsage");
    const resident = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${program.pid}/status`, "utf8"))[1]) / 1024;
    const { datagrams } = await read(`${program.url}/api/status`);
    await showOnly(page, "");
    samples.push({ resident, tab: usedSize / MEBIBYTE });
    const columns = [minute, resident.toFixed(1), (statSync(store).size / MEBIBYTE).toFixed(1), (usedSize / MEBIBYTE).toFixed(2), datagrams];
    console.log(columns.join("  "));
  }
  for (const report of reports) console.log(report);
  grown = reports.length > 0;
  for (const of of ["resident", "tab"]) {
    const values = samples.map((sample) => sample[of]);
    const quarter = Math.floor(values.length / 4);
    const early = median(values.slice(quarter, 2 * quarter + 1));
    const late = median(values.slice(-quarter - 1));
    console.log(`${of}: ${early.toFixed(2)} MiB early, ${late.toFixed(2)} MiB late`);
    if (Math.abs(late / early - 1) > 0.05) grown = true;
  }
} finally {
  for (const cleanup of cleanups) await cleanup();
}
process.exitCode = grown ? 1 : 0;

/** Replaces the filter of the list. */
async function showOnly(page, filter) {
  await page.keyboard.press("/");
  await page.keyboard.press("Control+A");
  await page.keyboard.press("Delete");
  await page.keyboard.type(filter);
  await page.keyboard.press("Enter");
}

/** Sends traces ten times a second; returns a function that stops it. */
function sendSteadily(address, rate) {
  const [host, port] = address.split(":");
  const socket = createSocket("udp4");
  socket.connect(Number(port), host);
  const templates = Array.from({ length: 1000 }, (_, number) => shopTrace(number, 0).map(template));
  const begin = performance.now();
  let number = 0;
  const timer = setInterval(() => {
    // A late timer makes up for what it has missed.
    for (const due = ((performance.now() - begin) / 1000) * rate; number < due; number += 1) {
      const start = Date.now() / 1000;
      const id = traceId(number, start);
      for (const fill of templates[number % templates.length]) socket.send(fill(id, start));
    }
  }, 100);
  return () => {
    clearInterval(timer);
    socket.close();
  };
}

/** Returns a function that makes a datagram of a document: only the trace's id and the times change, which costs little. */
function template(document) {
  const parts = JSON.stringify(document).split(/"trace_id":"[^"]*"|_time":([\d.e-]+)/);
  return (id, start) => parts.reduce((text, part, i) => text + (i % 2 === 0 ? part : part === undefined ? `"trace_id":"${id}"` : `_time":${start + Number(part)}`), HEADER);
}

/** Reads JSON by a connection of its own: the program has long closed that of the last minute. */
async function read(url) {
  const response = await new Promise((resolve, reject) => get(url, { agent: false }, resolve).on("error", reject));
  return JSON.parse(Buffer.concat(await response.toArray()).toString());
}

/** The value in the middle. */
function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
