// A page in light and dark, on a phone and on a desk: a picture of each, nothing wider than the screen, and no violation of any of
// axe's rules, with everything that is folded read too.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { ANSWERS, streamOf } from "./states.mjs";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SIZES = { desk: { width: 1280, height: 800 }, phone: { width: 360, height: 740 } };
const SCHEMES = ["light", "dark"];

/** Reads these states, each on a page that `open` gives; `picture(page, name)` keeps what it looks like. */
export async function isAccessible(open, home, picture, states) {
  const found = [];
  for (const state of states) {
    const page = await open();
    await standIn(page, state);
    await page.goto(new URL(state.path, home).href);
    await state.act?.(page);
    await page.waitForSelector(state.ready, { state: "attached" });
    for await (const [look, width] of looks(page)) {
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (overflow > 0) found.push(`${state.name}, ${width}: ${overflow} pixels wider than the screen`);
      await picture(page, `${state.name}-${look}`, { fullPage: true });
    }
    await page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = true)));
    await page.evaluate(AXE);
    for await (const [look] of looks(page)) {
      const { violations } = await page.evaluate(() => globalThis.axe.run());
      for (const { id, help, nodes } of violations) {
        for (const node of nodes) found.push(`${state.name}, ${look}: ${id}: ${help}: ${node.html} ${node.any[0]?.message ?? ""}`);
      }
    }
    await page.close();
  }
  assert.deepEqual(found, [], "what people who see, hear or move otherwise would stumble over");
}

async function* looks(page) {
  for (const colorScheme of SCHEMES) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const [width, viewport] of Object.entries(SIZES)) {
      await page.setViewportSize(viewport);
      yield [`${colorScheme}-${width}`, width];
    }
  }
}

/** Lets the page be told a state's events, by a stream that then stays open, or breaks off and never comes back. */
export async function standIn(page, { events, broken = false, answers = {} }) {
  if (!events) return;
  const known = { ...ANSWERS, ...answers };
  await page.route("**/builds/**", (route) => {
    const name = new URL(route.request().url()).pathname.split("/").at(-1);
    return known[name] ? route.fulfill({ json: known[name] }) : route.fulfill({ status: 404, json: {} });
  });
  await page.addInitScript(([text, ends]) => {
    const real = globalThis.fetch;
    globalThis.fetch = (address, options) => {
      if (!/\/build\//.test(address)) return real(address, options);
      const start = (stream) => {
        stream.enqueue(new TextEncoder().encode(text));
        if (ends) stream.close();
      };
      return Promise.resolve(new Response(new ReadableStream({ start }), { headers: { "content-type": "text/event-stream" } }));
    };
  }, [streamOf(events), broken]);
}
