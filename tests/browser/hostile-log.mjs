// A build whose log is forty attempts to become more than text, in a real browser: none of it runs, and all of it can be read.
// Told by its environment: PAGE, LINES, and what browser.mjs is told.
import assert from "node:assert/strict";
import { openBrowser, visitor } from "./browser.mjs";

const { PAGE, LINES } = process.env;

const browser = await openBrowser();
const context = await visitor(browser);
try {
  await context.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  const page = await context.newPage();
  const trouble = [];
  page.on("dialog", (dialog) => trouble.push(`a dialog: ${dialog.message()}`) && dialog.dismiss());
  page.on("popup", () => trouble.push("a window"));
  page.on("pageerror", (error) => trouble.push(`uncaught: ${error.message}`));
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== new URL(PAGE).origin) trouble.push(`a request to ${request.url()}`);
  });
  await page.goto(`${PAGE}?urlpath=${encodeURIComponent("javascript:window.pwned=1")}`);
  await page.waitForSelector("#failure:not([hidden])");
  await page.waitForFunction(() => document.querySelector("#build-log")?.textContent.includes("plain end"));
  const seen = await page.evaluate(() => ({
    pwned: "pwned" in window,
    violations: window.violations,
    title: document.title,
    elements: [...document.querySelectorAll("#build-log *, #failure *")].map((element) => element.localName),
    handlers: [...document.querySelectorAll("#build-log *, #failure *")].flatMap((element) =>
      [...element.attributes].map((attribute) => attribute.name).filter((name) => name.startsWith("on")),
    ),
    links: [...document.querySelectorAll("a[href]")].map((link) => link.protocol),
    log: document.querySelector("#build-log").textContent,
  }));
  assert.equal(seen.pwned, false, "something of the log ran");
  assert.deepEqual(seen.violations, [], "something of the log tried to");
  assert.deepEqual(trouble, []);
  assert.deepEqual(seen.handlers, []);
  for (const name of ["script", "img", "svg", "iframe", "object", "embed", "style", "base", "meta", "video"]) {
    assert.ok(!seen.elements.includes(name), `the log made an element ${name}`);
  }
  for (const protocol of seen.links) assert.match(protocol, /^https?:$/);
  assert.ok(!seen.title.includes("script"), seen.title);
  assert.ok(!/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(seen.log), "a control character is left");
  const read = seen.log.split("window.pwned=1").length - 1;
  assert.ok(read >= Number(LINES) - 8, `${read} of ${LINES} lines can be read`);
} finally {
  await browser.close();
}
