import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BuildProgress } from "./build-progress";
import { EnvironmentPanel } from "./environment-panel";
import type { Source } from "./events";
import { startLoading, type Surroundings } from "./loading";
import { LogView } from "./log-view";
import { NotebookPreview } from "./notebook-preview";

customElements.define("build-progress", BuildProgress);
customElements.define("log-view", LogView);
customElements.define("environment-panel", EnvironmentPanel);
customElements.define("notebook-preview", NotebookPreview);

const PAGE = `
<build-progress data-phase="waiting" data-base-url="/hub/" data-provider="gl" data-spec="g%2Fr/main" data-repository="g/r"></build-progress>
<section id="failure" hidden><p id="failure-by"></p><h2 id="failure-title"></h2><p id="failure-message"></p><p id="failure-where" hidden></p>
<p id="failure-hint" hidden></p><figure id="failure-output" hidden><figcaption id="failure-step"></figcaption><div class="lines"></div></figure>
<button id="btn-retry"></button><button id="btn-show-step" hidden></button><a id="failure-log" hidden></a></section>
<notebook-preview hidden></notebook-preview>
<environment-panel hidden></environment-panel>
<log-view id="build-log"></log-view>`;

class FakeSource implements Source {
  readyState = 1;
  onopen: ((event: Event) => unknown) | null = null;
  onmessage: ((event: MessageEvent) => unknown) | null = null;
  onerror: ((event: Event) => unknown) | null = null;
  close() {
    this.readyState = 2;
  }
}

let source: FakeSource;
let opened: string[];
let went: string[];
let reloads: number;
let frames: (() => void)[];
let answers: Record<string, unknown>;

function start(search = "") {
  const around: Surroundings = {
    openStream: (url) => {
      opened.push(url);
      source = new FakeSource();
      return source;
    },
    go: (href) => void went.push(href),
    reload: () => void reloads++,
    nextFrame: (run) => void frames.push(run),
    fetchJson: async (url) => answers[url] ?? Promise.reject(new Error("not there")),
    search,
    now: () => Date.now(),
  };
  return startLoading(document, { baseUrl: "/hub/", buildToken: "a.b+c" }, around);
}
/** Events of a build's log, which say which build it is. */
function tell(build: string, ...events: object[]) {
  for (const event of events) source.onmessage?.(new MessageEvent("message", { data: JSON.stringify(event), lastEventId: `${build}.${++told}` }));
}
let told = 0;
function send(...events: object[]) {
  for (const event of events) source.onmessage?.(new MessageEvent("message", { data: JSON.stringify(event) }));
}
async function drawn() {
  for (const frame of frames.splice(0)) frame();
  await document.querySelector<BuildProgress>("build-progress")?.updateComplete;
  await document.querySelector<LogView>("log-view")?.updateComplete;
  await document.querySelector<EnvironmentPanel>("environment-panel")?.updateComplete;
}
const text = (selector: string) => document.querySelector(selector)?.textContent?.trim();
const line = (message: string, id = "pip") => ({ phase: "building", message: `${message}\n`, step: { id, name: `Step ${id}` }, stream: "stdout" });

beforeEach(() => {
  [opened, went, frames, reloads, answers] = [[], [], [], 0, {}];
  document.body.innerHTML = PAGE;
});
afterEach(() => document.body.replaceChildren());

describe("the loading page", () => {
  it("asks for the stream of its own address with the build token", () => {
    start();
    expect(opened).toEqual(["/hub/build/gl/g%2Fr/main?build_token=a.b%2Bc"]);
  });

  it("asks for the packages of the day that its link names", () => {
    start("?labpath=a.ipynb&as_of=2021-03-01");
    expect(opened).toEqual(["/hub/build/gl/g%2Fr/main?build_token=a.b%2Bc&as_of=2021-03-01"]);
  });

  it("keeps the day apart from what was added after it", () => {
    start("?as_of=2021-03-01?urlpath=lab");
    expect(opened).toEqual(["/hub/build/gl/g%2Fr/main?build_token=a.b%2Bc&as_of=2021-03-01"]);
  });

  it("does nothing on a page without a build", () => {
    document.body.replaceChildren();
    expect(start()).toBeNull();
  });

  it("shows the state and every line, many events in one frame", async () => {
    start();
    send({ phase: "building", message: "", step: { id: "pip", name: "Step pip", status: "running" } });
    for (let i = 0; i < 50; i++) send(line(`line ${i}`));
    expect(frames.length).toBe(1);
    await drawn();
    expect(text("#build-state")).toBe("Building");
    expect(document.querySelector("build-progress")?.getAttribute("data-phase")).toBe("building");
    for (const i of [0, 25, 49]) expect(text("#build-log")).toContain(`line ${i}`);
    expect(document.querySelector("details")?.open).toBe(true);
  });

  it("keeps the page small however long the log is, and can show more", async () => {
    start();
    for (let i = 0; i < 12_000; i++) {
      send(line(`line ${i}.`));
      if (i % 1000 === 0) await drawn();
    }
    await drawn();
    const count = () => document.querySelectorAll(".line").length;
    expect(count()).toBeLessThan(700);
    expect(text("#build-log")).toContain("line 11999.");
    expect(text("#build-log")).not.toContain("line 9000.");
    (document.querySelector(".more") as HTMLButtonElement).click();
    expect(count()).toBeGreaterThan(2400);
    expect(text("#build-log")).toContain("line 10000.");
    send(line("after"));
    await drawn();
    expect(text("#build-log")).toContain("after");
  });

  it("shows a progress line as one line, as a terminal does", async () => {
    start();
    for (let i = 0; i <= 100; i += 10) {
      send({ phase: "building", message: `\rDownloading ${i}%`, step: { id: "pip" } });
      await drawn();
    }
    expect([...document.querySelectorAll(".line")].map((element) => element.textContent)).toEqual(["Downloading 100%"]);
    send({ phase: "building", message: "\n", step: { id: "pip" }, stream: "stdout" }, line("next"));
    await drawn();
    expect([...document.querySelectorAll(".line")].map((element) => element.textContent)).toEqual(["Downloading 100%", "next"]);
  });

  it("never makes markup of a log, a step's name or a failure", async () => {
    start();
    const evil = "<img src=x onerror=alert(1)><script>alert(1)</script>";
    send({ ...line(evil), step: { id: evil, name: evil, status: "running" } }, { phase: "failed", message: evil, fault: { by: "user", file: evil, hint: evil, log_url: "javascript:alert(1)" } });
    await drawn();
    expect(document.querySelector("img, script")).toBeNull();
    expect(text("#build-log")).toContain(evil);
    expect(text("#failure-message")).toBe(evil);
    expect(document.querySelector<HTMLElement>("#failure-log")?.hidden).toBe(true);
  });
});

describe("at ready", () => {
  it("goes to the session at the path of the link", () => {
    start("?labpath=nb/a.ipynb");
    send({ phase: "ready", message: "ok\n", url: "http://127.0.0.1:8586/s/x/", token: "T" });
    expect(went).toEqual(["http://127.0.0.1:8586/s/x/doc/tree/nb/a.ipynb?token=T"]);
    expect(source.readyState).toBe(2);
  });

  it("stays in the session whatever the link says", () => {
    start("?urlpath=https%3A%2F%2Fevil.example%2F");
    send({ phase: "ready", message: "ok\n", url: "http://127.0.0.1:8586/s/x/", token: "T" });
    expect(went).toEqual(["http://127.0.0.1:8586/s/x/?token=T"]);
  });

  it("goes nowhere when the session's address is none, and says so", () => {
    start();
    send({ phase: "ready", message: "ok\n", url: "javascript:alert(1)", token: "T" });
    expect(went).toEqual([]);
    expect(document.querySelector<HTMLElement>("#failure")?.hidden).toBe(false);
  });
});

describe("at failure", () => {
  it("says whose, what, where and what to do, and keeps the log", async () => {
    start();
    send(line("Collecting"), {
      phase: "failed",
      message: "pip failed\n",
      fault: { by: "user", message: "No such package: nunpy", file: "requirements.txt", line: 3, hint: "Check the name.", retry: false, log_url: "/hub/logs/7" },
    });
    await drawn();
    expect(document.querySelector<HTMLElement>("#failure")?.hidden).toBe(false);
    expect(text("#build-state")).toBe("Failed");
    expect(text("#failure-title")).toBe("The repository needs a change");
    expect(text("#failure-message")).toBe("No such package: nunpy");
    expect(text("#failure-where")).toBe("requirements.txt, line 3");
    expect(text("#failure-hint")).toBe("Check the name.");
    expect(text("#build-log")).toContain("Collecting");
    expect(document.querySelector<HTMLAnchorElement>("#failure-log")?.href).toMatch(/\/hub\/logs\/7$/);
    (document.querySelector("#btn-retry") as HTMLButtonElement).click();
    expect(reloads).toBe(1);
  });

  it("does not send people to the repository for a wrong link", () => {
    start();
    send({ phase: "failed", message: "no\n", fault: { by: "user", message: "There is no ref nope", retry: false } });
    expect(text("#failure-title")).toBe("This cannot be opened as it is");
    expect(text("#btn-retry")).toBe("Try again");
  });

  it("says what is neither in the link nor in the repository, and for how long it is too early to try again", () => {
    start();
    send({ phase: "failed", message: "no\n", fault: { by: "user", code: "rate-limited", message: "Rate limit exceeded.", retry: true }, status_code: 429, retry_after: 754 });
    expect(text("#failure-title")).toBe("Wait a while before the next build");
    expect(text("#btn-retry")).toBe("Try again in 12 min 34 s");
    (document.querySelector("#btn-retry") as HTMLButtonElement).click();
    expect(reloads).toBe(1);
  });

  it("shows what stands between backticks as code, and never as markup", () => {
    start();
    send({ phase: "failed", message: "no\n", fault: { by: "user", message: "No package `<b>numpyy</b>`.", hint: "Did you mean `numpy`?", retry: false } });
    expect(text("#failure-message")).toBe("No package <b>numpyy</b>.");
    expect([...document.querySelectorAll("#failure code")].map((code) => code.textContent)).toEqual(["<b>numpyy</b>", "numpy"]);
    expect(document.querySelector("#failure b")).toBeNull();
  });

  it("shows a plain message as BinderHub sends it, and no empty parts", async () => {
    start();
    send({ phase: "failed", message: "Could not resolve ref for gh:a/b/c.\n" });
    await drawn();
    expect(text("#failure-message")).toBe("Could not resolve ref for gh:a/b/c.");
    for (const id of ["#failure-where", "#failure-hint", "#failure-log"]) expect(document.querySelector<HTMLElement>(id)?.hidden, id).toBe(true);
  });
});

describe("a lost connection", () => {
  it("is said while it lasts", async () => {
    start();
    send({ phase: "building", message: "x\n" });
    source.readyState = 0;
    source.onerror?.(new Event("error"));
    await drawn();
    expect(text(".connection")).toContain("Connection lost, reconnecting");
    source.onopen?.(new Event("open"));
    await drawn();
    expect(text(".connection")).toBe("");
    expect(text("#build-state")).toBe("Building");
  });

  it("shows the failed step's own last lines under the sentence, as text with its colours", async () => {
    start();
    send(line("one"), { phase: "building", message: "", step: { id: "pip", status: "failed" } });
    const lines = ["<img src=x onerror=alert(1)>", "10%\r\u001b[31merror\u001b[0m: no six", "\u001b[32mleft open", "</div><script>alert(2)</script>"];
    send({ phase: "failed", message: "x", fault: { by: "user", message: "No six.", output: { step: "pip", name: "Step <pip>", lines } } });
    await drawn();
    const box = document.querySelector<HTMLElement>("#failure-output");
    expect(box?.hidden).toBe(false);
    expect(text("#failure-step")).toBe("Last lines of \u201cStep <pip>\u201d");
    const shown = [...(box?.querySelectorAll(".line") ?? [])];
    expect(shown.map((one) => one.textContent)).toEqual(["<img src=x onerror=alert(1)>", "error: no six", "left open", "</div><script>alert(2)</script>"]);
    expect(box?.querySelector("img, script")).toBeNull();
    expect(shown[1]?.querySelector(".ansi-fg-1")?.textContent).toBe("error");
    expect(shown[3]?.querySelector("span")).toBeNull();
  });

  it("leads from the failure to the step in the log", async () => {
    start();
    send(line("one", "apt"), { phase: "building", message: "", step: { id: "apt", status: "done" } }, line("two"), { phase: "building", message: "", step: { id: "pip", status: "failed" } });
    send({ phase: "failed", message: "x", fault: { by: "user", message: "No.", output: { step: "apt", name: "Step apt", lines: ["one"] } } });
    await drawn();
    const button = document.querySelector<HTMLButtonElement>("#btn-show-step");
    expect(button?.hidden).toBe(false);
    const details = document.querySelector('[data-lines="apt"]')?.closest("details");
    expect(details?.open).toBe(false);
    button?.click();
    await document.querySelector<LogView>("log-view")?.updateComplete;
    await Promise.resolve();
    expect(details?.open).toBe(true);
    expect(document.activeElement).toBe(details?.querySelector("summary"));
  });

  it("offers no step where the failure has none", async () => {
    start();
    send({ phase: "failed", message: "x", fault: { by: "user", message: "No.", output: { step: "elsewhere", name: "", lines: [1, "a"] } } });
    await drawn();
    expect(document.querySelector<HTMLElement>("#btn-show-step")?.hidden).toBe(true);
    expect(document.querySelectorAll("#failure-output .line").length).toBe(1);
  });

  it("shows the environment as soon as it is planned, and a later plan in its place", async () => {
    start();
    await drawn();
    const panel = document.querySelector<HTMLElement>("environment-panel");
    expect(panel?.hidden).toBe(true);
    const plan = { steps: [], used: [], python: { version: "3.11.2", source: "base image" } };
    send({ phase: "building", message: "Planned\n", plan });
    await drawn();
    expect(panel?.hidden).toBe(false);
    expect(text("environment-panel dd")).toBe("3.11.2 the base image\u2019s own");
    send({ phase: "building", message: "Planned\n", plan: { ...plan, python: { version: "3.12", source: "runtime.txt:1" } } });
    await drawn();
    expect(text("environment-panel dd")).toBe("3.12 from runtime.txt:1");
  });

  it("asks for the plan of a build that was done before", async () => {
    answers["/hub/builds/b-1/plan"] = { steps: [], used: [], python: { version: "3.9", source: "x" } };
    start();
    send({ phase: "built", message: "Found built image, launching...\n", build_id: "b-1" });
    await new Promise((done) => setTimeout(done));
    await drawn();
    expect(text("environment-panel dd")).toBe("3.9 from x");
  });

  it("launches all the same where that plan is not to be had", async () => {
    start();
    send({ phase: "built", message: "Found built image, launching...\n", build_id: "../../evil" });
    await new Promise((done) => setTimeout(done));
    send({ phase: "ready", message: "x", url: "https://host.example/user/s/", token: "t" });
    await drawn();
    expect(document.querySelector<HTMLElement>("environment-panel")?.hidden).toBe(true);
    expect(went.length).toBe(1);
  });

  it("finds text anywhere in the log, in a closed step and among lines that are not on the page", async () => {
    start();
    send(line("needle one", "apt"), { phase: "building", message: "", step: { id: "apt", status: "done" } });
    for (let i = 0; i < 3000; i++) send(line(i === 5 ? "the second Needle" : `line ${i}`));
    send(line("needle three"));
    await drawn();
    const view = document.querySelector<LogView>("log-view");
    const input = document.querySelector<HTMLInputElement>("#log-query");
    if (!view || !input) throw new Error("there is nothing to search with");
    const press = async (back = false) => {
      if (back) input.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", shiftKey: true, bubbles: true, cancelable: true }));
      else document.querySelector(".log-search")?.dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
      await view.updateComplete;
      await new Promise((done) => setTimeout(done));
      return [...view.querySelectorAll(".line.found")].map((one) => one.textContent);
    };
    input.value = "needle";
    input.dispatchEvent(new Event("input", { bubbles: true }));
    await view.updateComplete;
    expect(text(".found-count")).toBe("3 lines");
    expect(await press()).toEqual(["needle one"]);
    expect(text(".found-count")).toBe("1 of 3");
    expect(document.querySelector('[data-lines="apt"]')?.closest("details")?.open).toBe(true);
    expect(await press()).toEqual(["the second Needle"]);
    expect(await press()).toEqual(["needle three"]);
    expect(await press()).toEqual(["needle one"]);
    expect(await press(true)).toEqual(["needle three"]);
    send(line("needle four"));
    await drawn();
    expect(await press()).toEqual(["needle four"]);
    expect(text(".found-count")).toBe("4 of 4");
    input.value = "nowhere";
    input.dispatchEvent(new Event("input", { bubbles: true }));
    await view.updateComplete;
    expect(text(".found-count")).toBe("Not in the log so far");
    expect(await press()).toEqual([]);
  });

  it("gives the whole log as a page and as a file from the first event that names its build", async () => {
    start();
    await drawn();
    expect(document.querySelector(".log-tools a")).toBeNull();
    const id = `b-${"0".repeat(32)}`;
    source.onmessage?.(new MessageEvent("message", { data: JSON.stringify({ phase: "waiting", message: "Waiting\n" }), lastEventId: `${id}.1` }));
    await drawn();
    const links = [...document.querySelectorAll(".log-tools a")];
    expect(links.map((link) => [link.getAttribute("href"), link.getAttribute("download")])).toEqual([[`/hub/builds/${id}/log`, null], [`/hub/builds/${id}/log`, "g-r.log.txt"]]);
  });

  it("links to what the image was made of once there is one, also when the launch then fails", async () => {
    start();
    const id = `b-${"1".repeat(32)}`;
    const say = (event: object, at: number) => source.onmessage?.(new MessageEvent("message", { data: JSON.stringify(event), lastEventId: `${id}.${at}` }));
    const links = () => [...document.querySelectorAll("environment-panel .records a")].map((link) => link.getAttribute("href"));
    say({ phase: "building", message: "Planned\n", plan: { steps: [], used: [] } }, 1);
    await drawn();
    expect(links()).toEqual([]);
    say({ phase: "built", message: "Built\n", imageName: "a:b" }, 2);
    send({ phase: "launching", message: "Launching\n" }, { phase: "failed", message: "no seat\n" });
    await drawn();
    expect(links()).toEqual([`/hub/builds/${id}/provenance`, `/hub/builds/${id}/bill-of-materials`]);
  });

  it("links to no records of a build that failed", async () => {
    start();
    send({ phase: "building", message: "Planned\n", plan: { steps: [], used: [] }, build_id: "b-1" }, { phase: "failed", message: "no\n" });
    await drawn();
    expect(document.querySelector("environment-panel .records")).toBeNull();
  });
});

describe("what is known of earlier builds", () => {
  const BUILD = `b-${"0".repeat(32)}`;
  const settled = async () => {
    await new Promise((resolve) => setTimeout(resolve));
    await drawn();
  };

  it("says how long such builds take, and since when this one is at work", async () => {
    answers[`/hub/builds/${BUILD}/estimate`] = { usual_ms: 118_000, builds: 3, running_ms: null };
    start();
    tell(BUILD, { phase: "waiting", message: "Waiting\n" });
    await settled();
    expect(text(".usual")).toBe("Usually takes about 2 min");
    answers[`/hub/builds/${BUILD}/estimate`] = { usual_ms: 118_000, builds: 3, running_ms: 40_200 };
    tell(BUILD, { phase: "fetching", message: "Fetching\n" });
    await settled();
    expect(text(".usual")).toBe("Usually takes about 2 min; 40 s so far");
    // Its environment is there already.
    answers[`/hub/builds/${BUILD}/estimate`] = { usual_ms: 3000, builds: 2, running_ms: 41_000 };
    tell(BUILD, { phase: "building", message: "Planned\n", plan: { steps: [], used: [] } });
    await settled();
    expect(text(".usual")).toMatch(/^Usually takes a few seconds; longer this time: 4\d s so far$/);
    tell(BUILD, { phase: "built", message: "Built\n" });
    await settled();
    expect(document.querySelector(".usual")).toBeNull();
  });

  it("says nothing where there were none, or where they cannot be had", async () => {
    answers[`/hub/builds/${BUILD}/estimate`] = { usual_ms: null, builds: 0, running_ms: 100 };
    start();
    tell(BUILD, { phase: "fetching", message: "Fetching\n" }, line("one"));
    await settled();
    expect(document.querySelector(".usual")).toBeNull();
    delete answers[`/hub/builds/${BUILD}/estimate`];
    tell(BUILD, { phase: "building", message: "Planned\n", plan: { steps: [], used: [] } });
    await settled();
    expect(document.querySelector(".usual")).toBeNull();
    expect(text("#failure-message")).toBe("");
  });

  it("names the commit or the version that is built", async () => {
    document.body.insertAdjacentHTML("beforeend", '<p><span id="revision" data-before="at "></span></p>');
    answers[`/hub/builds/${BUILD}`] = { commit: "0123456789abcdef0123456789abcdef01234567" };
    start();
    tell(BUILD, { phase: "waiting", message: "Waiting\n" });
    await settled();
    expect(text("#revision")).toBe("at 0123456");
  });

  it("names the version of a record in full, also of one that was built before", async () => {
    document.body.insertAdjacentHTML("beforeend", '<p><span id="revision" data-before="version "></span></p>');
    answers[`/hub/builds/${BUILD}`] = { commit: "9782777.v3" };
    start();
    send({ phase: "built", message: "Found\n", build_id: BUILD });
    await settled();
    expect(text("#revision")).toBe("version 9782777.v3");
  });

  it("shows the notebook that will be opened as soon as it has been read", async () => {
    answers[`/hub/builds/${BUILD}/notebook?path=dir%2Fa.ipynb`] = { path: "dir/a.ipynb", cells: [{ kind: "code", text: "1 + 1", outputs: [] }] };
    start("?labpath=dir/a.ipynb");
    tell(BUILD, { phase: "fetching", message: "Fetching\n" });
    await settled();
    expect(document.querySelector<HTMLElement>("notebook-preview")?.hidden).toBe(true);
    tell(BUILD, { phase: "building", message: "Planned\n", plan: { steps: [], used: [] } });
    await settled();
    expect(text("notebook-preview pre")).toBe("1 + 1");
  });

  it("shows none where the link opens something else", async () => {
    start("?urlpath=rstudio");
    tell(BUILD, { phase: "building", message: "Planned\n", plan: { steps: [], used: [] } });
    await settled();
    expect(document.querySelector<HTMLElement>("notebook-preview")?.hidden).toBe(true);
  });
});
