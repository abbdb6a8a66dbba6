// From an address to the log with nothing but a keyboard, and what a screen reader is told on the way.
import assert from "node:assert/strict";
import { standIn } from "./accessible.mjs";
import { STATES } from "./states.mjs";

const MOST_STOPS = 60;
const building = STATES.find(({ name }) => name === "building");

/** Where the keyboard is, and whether it can be seen there. */
const at = (page) =>
  page.evaluate(() => {
    const { activeElement: here } = document;
    const { outlineStyle, outlineWidth } = getComputedStyle(here);
    const { width, height } = here.getBoundingClientRect();
    return { name: `${here.localName}#${here.id}.${here.className}`, seen: outlineStyle !== "none" && Number.parseFloat(outlineWidth) >= 2 && width > 0 && height > 0 };
  });

/** Presses a key until the element is reached; every stop on the way can be seen. */
async function reach(page, selector, key = "Tab") {
  for (let stops = 0; stops < MOST_STOPS; stops += 1) {
    await page.keyboard.press(key);
    const { name, seen } = await at(page);
    if (name.startsWith("body")) continue;
    assert.ok(seen, `the keyboard is at ${name}, and nobody can see it`);
    if (await page.evaluate((wanted) => document.activeElement.matches(wanted), selector)) return;
  }
  assert.fail(`${selector} is not reached by ${key}`);
}

export async function worksByKeyboard(open, home) {
  const page = await open();
  await standIn(page, building);
  await page.goto(home);
  await reach(page, ".skip");
  await reach(page, "#provider");
  await reach(page, "#repository");
  await page.keyboard.type("rivers/levels");
  await reach(page, "#btn-copy-markdown");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector("[role=status][data-copied]").textContent === "Copied the Markdown badge.");
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /v2\/gh\/rivers\/levels\/HEAD\)$/);
  await reach(page, "#btn-launch", "Shift+Tab");
  await page.keyboard.press("Enter");

  await page.waitForURL(/\/v2\/gh\/rivers\/levels\/HEAD$/);
  await page.waitForSelector("#build-log .line", { state: "attached" });
  await reach(page, ".to-log a");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement.id === "log-title");
  await reach(page, "#log-query");
  await page.keyboard.type("numpy");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".line.found");
  assert.match(await page.locator(".found-count[role=status]").textContent(), /^1 of 2$/, "what was found is said");
  await reach(page, "#build-log summary");
  const isOpen = () => page.evaluate(() => document.activeElement.closest("details").open);
  const before = await isOpen();
  await page.keyboard.press("Enter");
  assert.equal(await isOpen(), !before, "a step is opened and closed");
  await reach(page, ".log-tools button", "Shift+Tab");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector(".log-tools [role=status]").textContent === "Copied the log.");

  // The state is announced as it changes; what changes all the time is not.
  assert.equal(await page.locator("#build-state[role=status][aria-live=polite]").textContent(), "Building");
  const flooded = await page.evaluate(() =>
    [".elapsed", ".usual", "#build-log .line", ".step-status"].filter((one) => document.querySelector(one)?.closest("[aria-live], [role=status], [role=log], [role=alert]")),
  );
  assert.deepEqual(flooded, []);
  const moving = () => page.evaluate(() => document.getAnimations().length);
  await page.emulateMedia({ reducedMotion: "no-preference" });
  assert.ok((await moving()) > 0, "it moves while it is at work");
  await page.emulateMedia({ reducedMotion: "reduce" });
  assert.equal(await moving(), 0, "unless somebody would rather not");
  await page.close();
}
