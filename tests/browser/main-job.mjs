// The main job in a real browser: paste an address, watch the log, land in JupyterLab, run a cell, read its output.
// Told by its environment: HOME_PAGE, REPOSITORY, FAILING_REPOSITORY, ARTEFACTS, what browser.mjs is told, and RESTART, a file that it
// writes when the service is to be killed and started again.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isAccessible } from "./accessible.mjs";
import { openBrowser, visitor, watch as watchOver } from "./browser.mjs";

const { HOME_PAGE, REPOSITORY, FAILING_REPOSITORY, ARTEFACTS, RESTART } = process.env;

const browser = await openBrowser();
const context = await visitor(browser);

const violations = [];
function watch(page) {
  watchOver(page, HOME_PAGE, violations);
  page.on("requestfailed", (request) => console.error(`not loaded: ${request.url()}: ${request.failure()?.errorText}`));
  page.on("response", (response) => {
    if (response.status() >= 400 && page.url().startsWith(HOME_PAGE)) console.error(`${response.status()}: ${response.url()}`);
  });
}

async function open() {
  const page = await context.newPage();
  watch(page);
  return page;
}

const picture = (page, name, more = {}) => page.screenshot({ path: join(ARTEFACTS, `${name}.png`), ...more });

async function paste(page, repository) {
  await page.goto(HOME_PAGE);
  await page.selectOption("#provider", "git");
  await page.fill("#repository", repository);
  await page.fill("#ref", "main");
}

async function opensANotebook() {
  const page = await open();
  await paste(page, REPOSITORY);
  await page.fill("#path", "index.ipynb");
  const link = await page.locator("#launch-url").textContent();
  assert.match(link, /\/v2\/git\/http%3A%2F%2F127\.0\.0\.1/, "the page shows the link it will open");
  await picture(page, "home");
  await page.click("#btn-launch");

  await page.waitForURL(/\/v2\/git\//);
  // Lines arrive while the build runs, not all at its end.
  const told = (line) => [...document.querySelectorAll("#build-log .line")].some((shown) => shown.textContent.trim() === line);
  await page.waitForFunction(told, "tick 3");
  assert.equal(await page.evaluate(told, "tick 30"), false, "the log is told as it happens");
  const environment = page.locator("environment-panel");
  assert.match(await environment.textContent(), /Python\s*3\.\d+[^]*requirements\.txt[^]*postBuild/, "the page says what there will be and why");
  const preview = page.locator("notebook-preview");
  assert.match(await preview.textContent(), /index\.ipynb[^]*Rivers[^]*A link and <img src=x onerror=alert\(1\)>[^]*1 < 2[^]*True/, "the notebook can be read meanwhile");
  assert.deepEqual(await preview.locator("img, b, script").count(), 0, "and nothing of it is markup");
  await picture(page, "build");

  await page.fill("#log-query", "TICK 2");
  await page.press("#log-query", "Enter");
  assert.match(await page.locator("#build-log .line.found").textContent(), /^tick 2/, "text in the log is found");

  // The tab stays open while the service is killed and started again, and nobody touches it.
  await writeFile(RESTART, "");
  await page.waitForFunction(() => /reconnecting/.test(document.querySelector("build-progress .connection")?.textContent ?? ""));
  await picture(page, "reconnecting");

  await page.waitForURL(/\/user\/s-[0-9a-f]{32}\//);
  assert.match(page.url(), /doc\/tree\/index\.ipynb|lab\/tree\/index\.ipynb|index\.ipynb/, "it opens the file asked for");
  await page.waitForSelector(".jp-Notebook .jp-CodeCell .cm-content");
  // A cell run before the kernel is there is lost, by JupyterLab's own doing; a person sees that it is idle.
  await page.waitForFunction(() => /\| Idle/.test(document.querySelector("#jp-main-statusbar")?.textContent ?? ""));
  await page.click(".jp-Notebook .jp-CodeCell .cm-content");
  await page.keyboard.press("Control+a");
  await page.keyboard.type("import six; print('answer', 6 * 7, six.__version__)");
  await page.keyboard.press("Shift+Enter");
  await page.waitForFunction(() =>
    [...document.querySelectorAll(".jp-OutputArea-output")].some((output) => output.textContent.includes("answer 42 1.16.0")),
  );
  await picture(page, "lab");
  await saysThatASessionIsOver(page, /^.*\/user\/s-[0-9a-f]{32}\//.exec(page.url())[0]);
  await page.close();
}

/** Shuts the server down as its own menu does; whoever comes back is told so, and may launch the same again. */
async function saysThatASessionIsOver(page, session) {
  const status = await page.evaluate(async (address) => {
    const [, xsrf = ""] = /(?:^|; )_xsrf=([^;]*)/.exec(document.cookie) ?? [];
    return (await fetch(address, { method: "POST", headers: { "x-xsrftoken": xsrf } })).status;
  }, `${session}api/shutdown`);
  assert.equal(status, 200, "the server lets itself be shut down");
  // Until then it is a server that does not answer, on a page that looks again by itself.
  await page.goto(`${session}lab/tree/index.ipynb`);
  const over = "h1:text('This session has ended')";
  await page.waitForSelector(over);
  const again = page.getByRole("link", { name: "Launch it again" });
  assert.match(await again.getAttribute("href"), /\/v2\/git\/.*urlpath=.*index\.ipynb$/, "to where they were");
  await isAccessible(open, session, picture, [{ name: "session-ended", path: "", ready: over }]);
}

async function saysWhatFailed() {
  const page = await open();
  await paste(page, FAILING_REPOSITORY);
  await page.click("#btn-launch");
  await page.waitForSelector("#failure:not([hidden])");
  const message = await page.locator("#failure").textContent();
  assert.match(message, /requirements\.txt/, "the failure names the file");
  assert.match(message, /\b2\b/, "and the line");
  const sentence = await page.locator("#failure-message").textContent();
  assert.match(sentence, /bindery-no-such-package-anywhere/, "the sentence names the package");
  const said = (await page.locator("#failure-output .line").allTextContents()).join("\n");
  assert.match(said, /No solution found[^]*bindery-no-such-package-anywhere/, "under it stand the step's own last lines");
  assert.match(await page.locator("#failure-step").textContent(), /install Python packages/, "with the step's name");
  await picture(page, "failure");
  await page.click("#btn-show-step");
  const step = page.locator("#build-log details[open]", { has: page.locator("summary:focus") });
  assert.match(await step.textContent(), /No solution found/, "the button leads to the step in the log");
  const whole = await context.request.get(await page.locator("#failure-log").getAttribute("href"));
  assert.match(new URL(whole.url()).pathname, /^\/builds\/b-[0-9a-f-]+\/log$/, "the whole log has an address of its own");
  assert.ok((await whole.text()).includes(said.split("\n").at(-1)), "and holds those lines too");
  const [file] = await Promise.all([page.waitForEvent("download"), page.click(".log-tools a[download]")]);
  assert.match(file.suggestedFilename(), /failing-[0-9a-f]{7}\.log\.txt$/);
  assert.equal(await readFile(await file.path(), "utf8"), await whole.text(), "it can be kept as a file");
  await page.setViewportSize({ width: 360, height: 740 });
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(overflow, 0, "nothing is wider than a phone");
  await picture(page, "failure-phone");
  await page.goto(HOME_PAGE);
  await picture(page, "home-phone");
  await page.goto(`${HOME_PAGE}v2/nope/a/b`);
  await picture(page, "error-phone");
  await page.close();
}

async function tellsWhatWasBuilt() {
  const page = await open();
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  // What is built already would open at once.
  await page.route("**/build/**", (route) => route.abort());
  await page.goto(`${HOME_PAGE}v2/git/${encodeURIComponent(REPOSITORY)}/main`);
  await page.getByRole("link", { name: "Builds of this repository" }).click();
  await page.waitForURL(/\/repositories\/git\//);
  await page.unroute("**/build/**");
  const build = page.locator('.build-list [data-result="built"]');
  assert.match(await build.textContent(), /Built in \d+[^]*main/, "with its time and its ref");
  assert.match(await page.locator(".environment").textContent(), /Python[^]*Base image[^]*requirements\.txt/, "and what it was made of");
  const badge = await page.locator("#badge-markdown").textContent();
  await page.focus("#btn-copy-markdown");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => /Copied the Markdown badge/.test(document.querySelector("[data-copied]").textContent));
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), badge);
  assert.ok(badge.endsWith(`${HOME_PAGE}v2/git/${encodeURIComponent(REPOSITORY)}/HEAD)`), badge);
  await isAccessible(open, HOME_PAGE, picture, [
    { name: "repository", path: new URL(page.url()).pathname.slice(1), ready: ".build-list" },
    { name: "repository-failing", path: `repositories/git/${encodeURIComponent(FAILING_REPOSITORY)}`, ready: ".build-list .fault" },
    { name: "repository-unknown", path: "repositories/gh/owner/name", ready: "#builds-title" },
  ]);
  await page.getByRole("link", { name: /^Launch at this commit/ }).click();
  await page.waitForURL(/\/user\/s-[0-9a-f]{32}\//);
  await page.close();
}

async function readsWithoutScript() {
  const bare = await visitor(browser, { javaScriptEnabled: false });
  const page = await bare.newPage();
  await page.goto(HOME_PAGE);
  assert.match(await page.locator("h1").first().textContent(), /notebook/i);
  await picture(page, "home-without-script");
  await bare.close();
}

try {
  await readsWithoutScript();
  await opensANotebook();
  await saysWhatFailed();
  await tellsWhatWasBuilt();
  assert.deepEqual(violations, [], "our pages break none of their own rules");
  console.log("browser: all well");
} catch (error) {
  for (const [index, page] of context.pages().entries()) {
    await picture(page, `at-failure-${index}`).catch(() => {});
    console.error(`page ${index}: ${page.url()}`);
  }
  throw error;
} finally {
  await browser.close();
}
