// The Chromium of every test here, and what all of them watch a page for. Told by its environment: CHROMIUM.
import { chromium } from "playwright-core";

const { CHROMIUM = "/usr/bin/chromium" } = process.env;
/** Milliseconds that a machine of any speed may take for anything a test waits for. */
export const PATIENCE = 150_000;
// A machine without a way out must not make the browser wait for its own services.
const ARGUMENTS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

export function openBrowser() {
  return chromium.launch({ executablePath: CHROMIUM, headless: true, args: ARGUMENTS });
}

/** A visitor of their own: no cookies, nothing remembered. `options` are those of the browser's context. */
export async function visitor(browser, { patience = PATIENCE, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(patience);
  return context;
}

/** Collects what pages below `home` do wrong: what their own rules refuse, and what nobody caught. */
export function watch(page, home, found) {
  const ours = () => page.url().startsWith(home);
  page.on("console", (message) => {
    if (/Content.Security.Policy|TrustedHTML/i.test(message.text()) && ours()) found.push(message.text());
  });
  page.on("pageerror", (error) => ours() && found.push(`uncaught: ${error.message}`));
}
