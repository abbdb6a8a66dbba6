import { afterEach, describe, expect, it } from "vitest";
import { EnvironmentPanel } from "./environment-panel";
import { parsePlan } from "./plan";

customElements.define("environment-panel", EnvironmentPanel);

/** As `bindery plan --json` prints it, in its parts that are shown. */
const PLAN = {
  buildpacks: ["python", "apt"],
  base: "bindery/stack:1",
  platform: "linux/amd64",
  python: { version: "3.11.2", source: "base image" },
  r: { version: "4.2", source: "runtime.txt:1" },
  julia: null,
  as_of: { date: "2023-06-01", source: "asked for" },
  used: [{ file: "requirements.txt", for: "Python packages" }, { file: "apt.txt", for: "Debian packages" }],
  ignored: [{ file: "Pipfile", reason: "requirements.txt decides the Python packages" }],
  notes: [],
  steps: [
    { id: "apt", name: "install Debian packages (apt.txt)", run: "apt-get install", action: { kind: "install-apt" }, needs_content: false, file: "apt.txt" },
    { id: "content", name: "add the repository", run: "COPY", action: { kind: "copy-content" }, needs_content: true },
  ],
  environment_key: "0123",
};

async function show(plan: unknown): Promise<HTMLElement> {
  const panel = document.createElement("environment-panel") as EnvironmentPanel;
  panel.plan = parsePlan(plan);
  document.body.append(panel);
  await panel.updateComplete;
  return panel;
}
const rows = (root: HTMLElement, selector: string) =>
  [...root.querySelectorAll(`${selector} > div`)].map((row) => [...row.children].map((cell) => cell.textContent?.trim().replace(/\s+/g, " ")));
const texts = (root: HTMLElement, selector: string) => [...root.querySelectorAll(selector)].map((one) => one.textContent?.trim().replace(/\s+/g, " "));

afterEach(() => document.body.replaceChildren());

describe("the environment panel", () => {
  it("says what there will be and what chose it", async () => {
    const panel = await show(PLAN);
    expect(rows(panel, ".choices")).toEqual([
      ["Python", "3.11.2 the base image\u2019s own"],
      ["R", "4.2 from runtime.txt:1"],
      ["Packages of", "2023-06-01 asked for in the link"],
      ["On top of", "bindery/stack:1"],
    ]);
    expect(panel.querySelector(".notes")).toBeNull();
  });

  it("names every file that is used and every one that is not, with the reason", async () => {
    const panel = await show(PLAN);
    expect(texts(panel, "h3")).toEqual(["Files used", "Files not used"]);
    expect(rows(panel, ".files")).toEqual([
      ["requirements.txt", "Python packages"],
      ["apt.txt", "Debian packages"],
      ["Pipfile", "requirements.txt decides the Python packages"],
    ]);
  });

  it("says which steps are repeated for every commit", async () => {
    const panel = await show(PLAN);
    expect(texts(panel, "summary")).toEqual(["2 steps, 1 of them for every commit"]);
    expect(texts(panel, "ol li")).toEqual(["install Debian packages (apt.txt) once per environment", "add the repository for every commit"]);
  });

  it("puts a Python that takes the place of another before everything else", async () => {
    const note = "runtime.txt:1 asks for Python 3.9, which this site does not have. Python 3.11.2, the nearest there is, takes its place.";
    const panel = await show({ ...PLAN, notes: [note, "Another."] });
    expect(texts(panel, ".notes li")).toEqual([note, "Another."]);
    expect(panel.querySelector("h2")?.nextElementSibling?.className).toBe("notes");
  });

  it("says so where no file says anything, and where a Dockerfile says it all", async () => {
    expect((await show({ ...PLAN, used: [], ignored: [] })).textContent).toContain("No file says what the repository needs");
    const own = await show({ ...PLAN, used: [{ file: "Dockerfile", for: "everything" }], python: null, r: null, as_of: undefined, dockerfile: "Dockerfile", environment_key: null });
    expect(rows(own, ".choices")).toEqual([["Built from", "Dockerfile, the repository\u2019s own"]]);
    expect(texts(own, "summary")).toEqual(["2 steps"]);
  });

  it("shows what strangers wrote as text", async () => {
    const hostile = "<img src=x onerror=alert(1)>";
    const panel = await show({
      ...PLAN, base: hostile, notes: [hostile], python: { version: hostile, source: hostile }, used: [{ file: hostile, for: hostile }],
      ignored: [{ file: hostile, reason: hostile }], steps: [{ name: hostile, needs_content: true }],
    });
    expect(panel.querySelector("img")).toBeNull();
    expect(panel.textContent?.split(hostile).length).toBe(10);
  });

  it("is not there without a plan, and takes what is wrong in one for missing", async () => {
    for (const none of [undefined, null, 3, "plan", [], {}, { steps: 1, used: [] }]) expect((await show(none)).hidden).toBe(true);
    const odd = await show({ steps: [null, 1, {}, { name: 4 }, { name: "a" }], used: [{ file: 1, for: "x" }, "y", { file: "f", for: "g" }], notes: [1, "n"], python: [], r: { version: 4 } });
    expect(texts(odd, "ol li")).toEqual(["a once per environment"]);
    expect(rows(odd, ".files")).toEqual([["f", "g"]]);
    expect(texts(odd, ".notes li")).toEqual(["n"]);
  });
});
