// What all browser tests share: the program, the browser, and the page with its reports.

import { spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const target = process.env.CARGO_TARGET_DIR ?? join(here, "../../../../target");

/** A folder with `node_modules/playwright-core` and `node_modules/axe-core`. */
const modules = process.env.XRAY_TEST_BROWSER_MODULES ?? here;
const chromium = process.env.XRAY_TEST_CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
const program = process.env.XRAY_TEST_LOCAL ?? ["debug", "release"].map((profile) => join(target, profile, "xray-local")).find(existsSync);
/** Where screenshots are kept. */
const pictures = join(target, "browser-screenshots");

const require = createRequire(join(modules, "package.json"));

function module(name) {
  try {
    return require(name);
  } catch {
    return null;
  }
}

const playwright = module("playwright-core");
export const axe = module("axe-core")?.source;

/** Why the tests cannot run here, or false. */
export const skip =
  (!chromium && "there is no Chromium: set XRAY_TEST_CHROMIUM") ||
  (!playwright && "playwright-core is not installed: set XRAY_TEST_BROWSER_MODULES") ||
  (!axe && "axe-core is not installed: set XRAY_TEST_BROWSER_MODULES") ||
  (!program && "xray-local is not built: cargo build -p xray-local");

/** Starts the program on a free port; ends it after the test. */
export async function startProgram(test, ...options) {
  const child = spawn(program, ["--listen", "127.0.0.1:0", "--ready-json", ...options], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.on("exit", resolve));
  test.after(async () => {
    child.kill();
    await ended;
  });
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith("{")) continue;
    child.stdout.resume();
    const { address, pid } = JSON.parse(line);
    return { address, pid, url: `http://${address}` };
  }
  throw new Error("xray-local ended before it was ready");
}

/** Starts the browser; closes it after the test. */
export async function startBrowser(test) {
  const browser = await playwright.chromium.launch({ executablePath: chromium, args: ["--no-sandbox"] });
  test.after(() => browser.close());
  return browser;
}

/**
 * Opens a page of its own. `reports` collects errors, reports of the content security policy and requests to other hosts;
 * it must stay empty.
 */
export async function openPage(browser, url, { theme = "light", ...options } = {}) {
  const context = await browser.newContext({ colorScheme: theme, viewport: { width: 1440, height: 900 }, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  const reports = [];
  await page.exposeFunction("reportPolicy", (report) => reports.push(`policy: ${report}`));
  await page.addInitScript(() => addEventListener("securitypolicyviolation", (event) => globalThis.reportPolicy(`${event.effectiveDirective} ${event.blockedURI}`)));
  page.on("pageerror", (error) => reports.push(`error: ${error.stack}`));
  page.on("console", (message) => {
    // A refused filter is a response of its own, not an error of the page.
    if (message.type() === "error" && !message.text().includes("status of 4")) reports.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(url.split("/").slice(0, 3).join("/")) && !request.url().startsWith("data:")) reports.push(`request: ${request.url()}`);
  });
  await page.goto(url);
  return { page, reports };
}

/** Waits until the program has received this many traces. */
export async function settled(url, traces) {
  for (let tries = 0; tries < 600; tries += 1) {
    const status = await (await fetch(`${url}/api/status`)).json();
    if (status.traces >= traces) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${traces} traces did not arrive`);
}

/** Starts a server of another origin that answers every request with one page; ends it after the test. Returns its address. */
export async function startOtherSite(test, html) {
  const server = createServer((_, response) => response.writeHead(200, { "content-type": "text/html" }).end(html));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  test.after(() => server.close());
  return `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}/`;
}

/** Keeps a screenshot. */
export async function picture(page, name) {
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, `${name}.png`) });
}

/** Measures up to three times until a measurement is within its budget, since other programs run, too. Returns the shortest time. */
export async function best(measure, budget) {
  let shortest = Infinity;
  for (let tries = 0; tries < 3 && shortest > budget; tries += 1) shortest = Math.min(shortest, await measure());
  return shortest;
}

/** Navigates; returns the milliseconds until an element is in a frame, as the page itself measures them. */
export async function untilShown(page, address, selector) {
  await page.goto("about:blank");
  await page.addInitScript((selector) => {
    // Not the time that a frame is given: that is when it should have begun, before the work that delayed it.
    const look = () => (document.querySelector(selector) ? (globalThis.shownAfter = performance.now()) : requestAnimationFrame(look));
    requestAnimationFrame(look);
  }, selector);
  await page.goto(address);
  const measured = await page.waitForFunction(() => globalThis.shownAfter);
  return measured.jsonValue();
}

/** Prints a measured time, and fails only if it is far above the budget, since test machines differ. */
export function withinBudget(what, milliseconds, budget, factor = 5) {
  console.log(`${what}: ${milliseconds.toFixed(0)} ms, budget ${budget} ms`);
  if (milliseconds > budget * factor) throw new Error(`${what} took ${milliseconds.toFixed(0)} ms, more than ${factor} times its budget of ${budget} ms`);
}
