// Every page and state, light and dark, on a phone and on a desk, read by axe: no violation of any of its rules.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SIZES = { desk: { width: 1280, height: 800 }, phone: { width: 360, height: 740 } };
const SCHEMES = ["light", "dark"];

const step = (id, status, more = {}) => ({ id, name: `install ${id} (requirements.txt)`, status, ...more });
const line = (id, text) => ({ phase: "building", message: `${text}\n`, step: step(id, "running"), stream: "stdout" });
const colours = [...Array(8).keys()].flatMap((n) => [`\u001b[3${n}mcolour ${n}\u001b[0m`, `\u001b[9${n}mbright ${n}\u001b[0m`, `\u001b[1;4${n}mon ${n}\u001b[0m`, `\u001b[10${n}mon bright ${n}\u001b[0m`]);
const plan = {
  buildpacks: ["python"], base: "bindery/stack:1", used: [{ file: "binder/requirements.txt", for: "Python packages" }],
  python: { version: "3.11.2", source: "runtime.txt:1" }, r: { version: "4.2", source: "runtime.txt:1" }, julia: null,
  as_of: { date: "2023-06-01", source: "asked for" },
  ignored: [{ file: "Pipfile", reason: "binder/requirements.txt decides the Python packages" }],
  notes: ["runtime.txt:1 asks for Python 3.9, which this site does not have. Python 3.11.2, the nearest there is, takes its place."],
  steps: [{ name: "install Python packages (binder/requirements.txt)", needs_content: false }, { name: "add the repository", needs_content: true }],
};
const begun = [
  { phase: "waiting", message: "Waiting for build to start...\n" },
  { phase: "fetching", message: "Fetching https://example.org/a/b at 0123456\n" },
  { phase: "building", message: "Planned the environment\n", plan },
  { phase: "building", message: "", step: step("apt", "cached") },
  { phase: "building", message: "", step: step("pip", "running") },
  ...colours.map((text) => line("pip", text)),
  line("pip", "10%\r55%\r100%"),
  line("pip", "a".repeat(400)),
];
const launching = [...begun, { phase: "built", message: "Built image, launching...\n" }, { phase: "launching", message: "Launching server...\n" }];
const failed = [
  ...begun,
  { phase: "building", message: "", step: step("pip", "failed", { duration_ms: 83_000 }) },
  {
    phase: "failed",
    message: "x",
    fault: {
      by: "user", code: "x", message: "The package index has no package `numpyy`.", file: "binder/requirements.txt", line: 2, retry: false,
      hint: "Correct the name.", log_url: "/builds/b-1/log", output: { step: "pip", name: "install Python packages", lines: [...colours.slice(0, 12), "b".repeat(300)] },
    },
  },
];

/** The stream of a build, up to here; then it breaks off, and is not asked for again while the page is read. */
const told = (events) => `retry: 600000\n\n${events.map((event, at) => `id: b-${"0".repeat(32)}.${at + 1}\ndata: ${JSON.stringify(event)}\n\n`).join("")}`;

const LOADING = "v2/git/https%3A%2F%2Fexample.org%2Fa%2Fb/main?labpath=dir/a.ipynb";
const notebook = {
  path: "dir/a.ipynb", language: "python", cut: true,
  cells: [
    { kind: "markdown", nodes: [
      { tag: "h3", children: ["A title"] }, { tag: "p", children: ["Text with ", { tag: "a", href: "https://example.org/", children: ["a link"] }, " and ", { tag: "code", children: ["code"] }] },
      { tag: "blockquote", children: [{ tag: "p", children: ["Quoted"] }] }, { tag: "ul", children: [{ tag: "li", children: ["one"] }] },
      { tag: "table", children: [["a", "b"], ["c".repeat(80), "d"]].map((row) => ({ tag: "tr", children: row.map((cell) => ({ tag: "td", children: [cell] })) })) },
    ] },
    { kind: "code", text: `for i in range(3):\n    print(${"x".repeat(200)})`, outputs: [colours.join(" "), "a".repeat(300)] },
  ],
};
const STATES = [
  { name: "home", path: "", ready: "#btn-launch" },
  { name: "home-refused", path: "launch?provider=gh&repo=&as_of=x", ready: "#repository-note.wrong" },
  { name: "about", path: "about", ready: "h1" },
  { name: "not-found", path: "no/such/page", ready: "h1" },
  { name: "bad-link", path: "v2/gh/org", ready: "h1" },
  { name: "loading", path: LOADING, events: begun, ready: "#build-log .line" },
  { name: "launching", path: LOADING, events: launching, ready: "environment-panel .records" },
  { name: "failure", path: LOADING, events: failed, ready: "#failure:not([hidden])" },
];

/** Reads every state, or these; `picture(page, name)` keeps what it looks like. */
export async function isAccessible(page, home, picture, states = STATES) {
  const found = [];
  for (const { name, path, events, ready } of states) {
    if (events) {
      await page.route("**/builds/*/notebook?**", (route) => route.fulfill({ json: notebook }));
      const body = told(events);
      await page.route("**/build/**", (route) => route.fulfill({ status: 200, contentType: "text/event-stream", body }));
    }
    await page.goto(home + path);
    await page.waitForSelector(ready, { state: "attached" });
    // What is folded is read too.
    await page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = true)));
    await page.evaluate(AXE);
    for (const colorScheme of SCHEMES) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      for (const [size, viewport] of Object.entries(SIZES)) {
        await page.setViewportSize(viewport);
        const { violations } = await page.evaluate(() => globalThis.axe.run());
        for (const { id, help, nodes } of violations) {
          for (const node of nodes) found.push(`${name}, ${colorScheme}, ${size}: ${id}: ${help}: ${node.html} ${node.any[0]?.message ?? ""}`);
        }
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        if (overflow > 0) found.push(`${name}, ${size}: ${overflow} pixels wider than the screen`);
        await picture(page, `${name}-${colorScheme}-${size}`, { fullPage: true });
      }
    }
    await page.unroute("**/build/**");
    await page.unroute("**/builds/*/notebook?**");
  }
  assert.deepEqual(found, [], "what people who see, hear or move otherwise would stumble over");
}
