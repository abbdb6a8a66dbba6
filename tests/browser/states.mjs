// Every page and every state of one that a visitor can meet, as data. What a service tells only in rare moments stands in for it here,
// in the words it uses; `pages.mjs` goes through all of them.

const BUILD = `b-${"0".repeat(32)}`;
const COMMIT = "4f0c1b7d9e2a3385c6d7e8f901234567890abcde";
const LOADING = "v2/git/https%3A%2F%2Fgit.example.org%2Frivers%2Flevels/main?labpath=dir/a.ipynb";
const LONG_NAMES = `v2/git/https%3A%2F%2Fgit.example.org%2F${"a-long-name-".repeat(8)}%2F${"y".repeat(60)}/${"feature-".repeat(8)}x`;

const PIP = "install Python packages (binder/requirements.txt)";
const step = (id, name, status, duration_ms) => ({ phase: "building", message: "", step: { id, name, status, ...(duration_ms ? { duration_ms } : {}) } });
const line = (id, text, stream = "stdout") => ({ phase: "building", message: `${text}\n`, step: { id, name: id === "pip" ? PIP : id, status: "running" }, stream });
const colours = [...Array(8).keys()].flatMap((n) => [`\u001b[3${n}mcolour ${n}\u001b[0m`, `\u001b[9${n}mbright ${n}\u001b[0m`, `\u001b[1;4${n}mon ${n}\u001b[0m`, `\u001b[10${n}mon bright ${n}\u001b[0m`]);
const plan = {
  buildpacks: ["python"], base: "bindery/stack:1", used: [{ file: "binder/requirements.txt", for: "Python packages" }, { file: "binder/apt.txt", for: "Debian packages" }],
  python: { version: "3.11.2", source: "runtime.txt:1" }, r: { version: "4.2", source: "runtime.txt:1" }, julia: null,
  as_of: { date: "2023-06-01", source: "asked for" },
  ignored: [{ file: "Pipfile", reason: "binder/requirements.txt decides the Python packages" }],
  notes: ["runtime.txt:1 asks for Python 3.9, which this site does not have. Python 3.11.2, the nearest there is, takes its place."],
  steps: [{ name: "install Debian packages (binder/apt.txt)", needs_content: false }, { name: PIP, needs_content: false }, { name: "add the repository", needs_content: true }],
};
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

const waiting = [{ phase: "waiting", message: "Waiting for build to start...\n" }];
const fetching = [...waiting, { phase: "fetching", message: "Fetching https://git.example.org/rivers/levels at 4f0c1b7\n" }];
const planned = [
  ...fetching,
  { phase: "fetching", message: "Fetched 41 files, 3 MiB\n" },
  { phase: "building", message: "Planned the environment\n", plan },
  step("apt", "install Debian packages (binder/apt.txt)", "cached"),
  step("pip", PIP, "running"),
];
const installing = [
  line("pip", "Resolved 41 packages in 210ms", "stderr"), line("pip", "Downloading numpy (17.2MiB)", "stderr"),
  line("pip", "Downloading scipy (35.1MiB)", "stderr"), line("pip", " + matplotlib==3.9.2", "stderr"), line("pip", " + numpy==2.1.1", "stderr"),
];
const coloured = [...colours.map((text) => line("pip", text)), line("pip", "10%\r55%\r100%"), line("pip", "a".repeat(400))];
const built = [
  ...planned, ...installing, step("pip", PIP, "done", 83_000), step("add", "add the repository", "done", 900),
  { phase: "built", message: "Built image, launching...\n" },
];
const launching = [...built, { phase: "launching", message: "Starting a container for this session.\n" }, { phase: "launching", message: "The container runs. Waiting for its notebook server to answer.\n" }];

/** The end of a visit, after what came before; `fault` as the service tells it. */
const failed = (before, fault, more = {}) => [...before, { phase: "failed", message: `${fault.message}\n`, fault: { code: "x", retry: fault.by !== "user", ...fault }, ...more }];
const log_url = `/builds/${BUILD}/log`;
const FAILURES = {
  // Of a build, by a line of a file.
  build: failed([...planned, ...coloured, step("pip", PIP, "failed", 83_000)], {
    by: "user", message: "The package index has no package `numpyy`.", file: "binder/requirements.txt", line: 2, hint: "Did you mean numpy?",
    log_url, output: { step: "pip", name: PIP, lines: [...colours.slice(0, 12), "b".repeat(300)] },
  }),
  // Of a session's server, in its own words.
  launch: failed(launching, {
    by: "user", code: "server-exited", message: "The notebook server ended with exit code 1 before it was ready.", log_url,
    hint: "Its last lines say why.",
    output: { step: "server", name: "start the notebook server", lines: ["Traceback (most recent call last):", '  File "/usr/local/bin/jupyter-lab", line 5, in <module>', "    from jupyterlab.labapp import main", "ModuleNotFoundError: No module named 'jupyterlab'"] },
  }),
  // Somebody else's, without a file or a step; another try may help.
  upstream: failed(waiting, { by: "upstream", code: "host-unreachable", message: "git.example.org cannot be reached: connection refused.", hint: "Try again in a few minutes." }),
  // Without a hint.
  ours: failed(fetching, { by: "us", code: "build-lost", message: "The build's record is gone." }),
  ref: failed([], { by: "user", code: "ref-not-found", message: "No branch, tag or commit named mian.", hint: "Did you mean main?" }, { status_code: 404 }),
  limited: failed([], { by: "user", code: "rate-limited", message: "Rate limit exceeded. Try again in 754 seconds.", retry: true }, { status_code: 429, retry_after: 754 }),
  quota: failed(waiting, {
    by: "user", code: "repository-quota", message: "Too many users running https://git.example.org/rivers/levels! Try again soon.", retry: true,
    hint: "20 sessions of it are open, and this service allows 20. One may end at any moment.",
  }),
  refused: failed([], { by: "user", code: "not-allowed", message: "Sorry, git/https://git.example.org/rivers/levels/main is not allowed to launch. Please contact admins for more info!" }, { status_code: 403 }),
  banned: failed([], { by: "user", code: "network-banned", message: "Requests from 203.0.113.0/24 are not allowed" }, { status_code: 403 }),
  cancelled: failed([...planned, ...installing], { by: "us", code: "cancelled", message: "The operator ended this build.", hint: "Try again later.", log_url }),
};

/** A loading page that is told these events. */
const told = (name, events, ready, more = {}) => ({ name, path: LOADING, events, ready, ...more });
const find = (text) => async (page) => {
  await page.fill("#log-query", text);
  await page.press("#log-query", "Enter");
  await page.waitForFunction(() => document.querySelector(".found-count")?.textContent !== "");
};

/**
 * `ready` is there once it is that state; `act` makes it so; `broken`: the stream breaks off and the service does not come back;
 * `answers`: what else the service says, by the end of its address.
 */
export const STATES = [
  { name: "home", path: "", ready: "#btn-launch" },
  {
    name: "home-filled", path: "", ready: "link-builder:not([data-example])",
    act: async (page) => {
      await page.fill("#repository", "https://github.com/rivers/levels/blob/main/notebooks/start.ipynb");
      await page.dispatchEvent("#repository", "change");
    },
  },
  { name: "home-archive", path: "", ready: "#ref:disabled", act: (page) => page.selectOption("#provider", "zenodo") },
  {
    name: "home-complaint", path: "", ready: "#repository-note.wrong",
    act: async (page) => {
      await page.fill("#repository", "no repository at all");
      await page.click("#btn-launch");
    },
  },
  { name: "home-refused", path: "launch?provider=gh&repo=&as_of=x", ready: "#repository-note.wrong" },
  { name: "about", path: "about", ready: "h1" },
  { name: "not-found", path: "no/such/page", ready: "h1" },
  { name: "bad-link", path: "v2/gh/org", ready: "h1" },
  { name: "no-such-provider", path: "v2/nope/a/b", ready: "h1" },
  told("waiting", waiting, "#build-log .line"),
  told("queued", [...waiting, { phase: "queued", message: "Waiting for a builder: number 3 in the queue\n", position: 3 }], "#build-log .line"),
  told("fetching", fetching, ".rail [data-status=active]"),
  told("building", [...planned, ...installing], "notebook-preview .notebook"),
  told("building-loud", [...planned, ...coloured], "#build-log .line"),
  { ...told("building-long-names", [...planned, ...installing], "#build-log .line"), path: LONG_NAMES },
  told("found", [...planned, ...installing], ".line.found", { act: find("numpy") }),
  told("not-in-log", [...planned, ...installing], "#build-log .line", { act: find("pandas") }),
  told("no-preview", [...planned, ...installing], "environment-panel .environment", { answers: { notebook: undefined } }),
  told("reconnecting", [...planned, ...installing], ".connection:not(:empty)", { broken: true }),
  told("queued-for-a-seat", [...built, { phase: "queued", message: "Waiting for a free seat: number 12 in the queue\n", position: 12 }], "environment-panel .records"),
  told("launching", launching, "environment-panel .records"),
  // An image that was there: nothing is fetched or built.
  told("launching-at-once", [{ phase: "built", message: "Found built image, launching...\n", build_id: BUILD }, ...launching.slice(-2)], "environment-panel .records"),
  ...Object.entries(FAILURES).map(([name, events]) => told(`failure-${name}`, events, "#failure:not([hidden])")),
];

/** What the service says of the build besides its stream. */
export const ANSWERS = {
  notebook,
  plan,
  estimate: { usual_ms: 95_000, builds: 3, running_ms: 41_000 },
  [BUILD]: { id: BUILD, commit: COMMIT },
};

/** A stream of these events, as it is on the wire. */
export const streamOf = (events) =>
  `retry: 600000\n\n${events.map((event, at) => `${event.phase === "failed" && at === 0 ? "" : `id: ${BUILD}.${at + 1}\n`}data: ${JSON.stringify(event)}\n\n`).join("")}`;
