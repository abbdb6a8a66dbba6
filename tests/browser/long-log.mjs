// A log of a hundred thousand lines in a real browser: every line arrives, what is on the page stays small, and what a terminal would
// overwrite is overwritten. Serves the built front end itself; needs no service. Told by its environment: LINES, and what browser.mjs is told.
// It prints how long it took, which no test asks for.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { openBrowser, visitor, watch } from "./browser.mjs";

const { LINES = "100000" } = process.env;
const COUNT = Number(LINES);
const LONG = 300_000;
const BUILD = `b-${"0".repeat(32)}`;
/** Lines on the page at once: what is shown of a step at first, and a chunk that is not full. */
const MOST_SHOWN = 700;
const DIST = new URL("../../frontend/dist/", import.meta.url);

// What the loading page has for its script; the page itself is tested with the service.
const PAGE = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>log</title>
<link rel="stylesheet" href="/static/app.css"><script type="module" src="/static/app.js"></script></head><body><main>
<build-progress class="sheet" data-base-url="/" data-provider="gh" data-spec="a/b/HEAD" data-repository="a/b"></build-progress>
<section class="log"><h2>Build log</h2><log-view id="build-log"></log-view></section></main></body></html>`;
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; require-trusted-types-for 'script'; trusted-types lit-html";

const step = { id: "pip", name: "install Python packages", status: "running" };
/** Every tenth line is coloured, every hundredth overwrites itself. */
function text(number) {
  if (number % 100 === 0) return `at 1%\rat 50%\rat ${number}`;
  if (number % 10 === 0) return `\u001b[32mline\u001b[0m ${number}`;
  return `line ${number} Collecting something-of-some-length==1.2.${number} from a mirror, which is as long as such lines are`;
}
function* events() {
  let id = 0;
  const event = (body) => `id: ${BUILD}.${++id}\ndata: ${JSON.stringify(body)}\n\n`;
  yield event({ phase: "building", message: "", step });
  for (let number = 1; number <= COUNT; number += 1) yield event({ phase: "building", message: `${text(number)}\n`, step, stream: "stdout" });
  yield event({ phase: "building", message: "the last\n", step, stream: "stdout" });
}
async function tell(answer) {
  answer.writeHead(200, { "content-type": "text/event-stream" });
  let some = "";
  for (const event of events()) {
    some += event;
    if (some.length < 16_384) continue;
    if (!answer.write(some)) await new Promise((resolve) => answer.once("drain", resolve));
    some = "";
  }
  // Left open, as by a build that goes on.
  answer.write(some);
}

const server = createServer(async (request, answer) => {
  const { pathname } = new URL(request.url, "http://x");
  if (pathname.startsWith("/build/")) return void tell(answer);
  const name = /^\/static\/(app\.(?:js|css))$/.exec(pathname)?.[1];
  const type = name?.endsWith("js") ? "text/javascript" : name ? "text/css" : "text/html";
  const body = name ? await readFile(new URL(name, DIST)) : pathname === "/" ? PAGE : undefined;
  answer.writeHead(body ? 200 : 404, { "content-type": type, "content-security-policy": POLICY }).end(body ?? "");
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const home = `http://127.0.0.1:${server.address().port}/`;
const browser = await openBrowser();
try {
  const page = await (await visitor(browser, { patience: LONG })).newPage();
  const wrong = [];
  watch(page, home, wrong);
  await page.addInitScript(() => {
    Object.assign(globalThis, { longest: 0, longTasks: 0, mostLines: 0, frames: 0 });
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) {
        longTasks += 1;
        longest = Math.max(longest, duration);
      }
    }).observe({ type: "longtask", buffered: true });
    const look = () => {
      frames += 1;
      mostLines = Math.max(mostLines, document.getElementsByClassName("line").length);
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  const began = Date.now();
  await page.goto(home);
  await page.waitForFunction(() => document.querySelector(".chunk:last-of-type > .line:last-child")?.textContent.trim() === "the last");
  const took = Date.now() - began;
  const seen = await page.evaluate(() => ({ longest, longTasks, mostLines, frames, lines: document.getElementsByClassName("line").length }));
  console.log(`${COUNT} lines in ${took} ms: ${seen.frames} frames, ${seen.longTasks} long tasks, the longest ${Math.round(seen.longest)} ms, ${seen.mostLines} lines on the page at most`);

  assert.ok(seen.mostLines <= MOST_SHOWN, `${seen.mostLines} lines were on the page at once`);
  const shown = await page.locator("#build-log .line").allTextContents();
  const last = Array.from({ length: 100 }, (_, at) => COUNT - 99 + at);
  const expected = last.map((number) => (number % 100 === 0 ? `at ${number}` : number % 10 === 0 ? `line ${number}` : text(number)));
  assert.deepEqual(shown.slice(-101), [...expected, "the last"], "in order, none lost, none twice, progress overwritten");
  assert.equal(await page.locator("#build-log .line .ansi-fg-2").last().textContent(), "line", "in colour");
  // What is not on the page is known all the same.
  const wanted = COUNT - 40_003;
  await page.fill("#log-query", `==1.2.${wanted} `);
  await page.press("#log-query", "Enter");
  assert.match(await page.locator("#build-log .line.found").textContent(), new RegExp(`^line ${wanted} `), "and is found");
  assert.deepEqual(wrong, []);
} finally {
  await browser.close();
  server.closeAllConnections();
  server.close();
}
