// Every page and state, read and pictured. Told by its environment: HOME_PAGE, a service that bans `gh/banned/`; NO_SESSION, an address
// at its proxy where there is none; ARTEFACTS, and what browser.mjs is told. ONLY names the states that are wanted, by a pattern.
import assert from "node:assert/strict";
import { join } from "node:path";
import { isAccessible } from "./accessible.mjs";
import { openBrowser, visitor, watch } from "./browser.mjs";
import { worksByKeyboard } from "./keyboard.mjs";
import { STATES } from "./states.mjs";

const { HOME_PAGE, NO_SESSION, ARTEFACTS, ONLY = "" } = process.env;
const wanted = new RegExp(ONLY);
const OWN = [
  { name: "forbidden", path: "repositories/gh/banned/name", ready: "h1" },
  { name: "no-session", path: NO_SESSION, ready: "h1" },
];

const browser = await openBrowser();
try {
  const context = await visitor(browser);
  const violations = [];
  const open = async () => {
    const page = await context.newPage();
    watch(page, HOME_PAGE, violations);
    return page;
  };
  const picture = (page, name, more = {}) => page.screenshot({ path: join(ARTEFACTS, `${name}.png`), ...more });
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await worksByKeyboard(open, HOME_PAGE);
  const states = [...STATES, ...OWN].filter(({ name }) => wanted.test(name));
  await isAccessible(open, HOME_PAGE, picture, states);
  assert.deepEqual(violations, [], "our pages break none of their own rules");
  console.log(`pages: ${states.length} states, all well`);
} finally {
  await browser.close();
}
