import { describe, expect, it } from "vitest";
import { plainText } from "./ansi";
import { about, BuildModel, duration, KEPT_LINES, STAGES, Step } from "./build-model";
import type { BuildEvent } from "./events";

function fold(...events: (Partial<BuildEvent> & { phase: string })[]) {
  let clock = 1000;
  const model = new BuildModel(() => clock);
  for (const event of events) {
    clock += 100;
    model.apply({ message: "", ...event });
  }
  return model;
}
const stages = (model: BuildModel) => STAGES.map((stage) => model.stage(stage));
const log = (model: BuildModel) => model.steps.map((step) => [step.name, step.status, step.lines.map(plainText)]);

describe("stages", () => {
  it("follow a whole build", () => {
    const build = ["waiting", "fetching", "building", "pushing", "built", "launching", "ready"].map((phase) => ({ phase }));
    const seen = build.map((_, at) => stages(fold(...build.slice(0, at + 1))).join(" "));
    expect(seen).toEqual([
      "todo todo todo todo",
      "active todo todo todo",
      "done active todo todo",
      "done active todo todo",
      "done done todo todo",
      "done done active todo",
      "done done done done",
    ]);
  });

  it("show what was there already", () => {
    expect(stages(fold({ phase: "built" }, { phase: "launching" }))).toEqual(["kept", "kept", "active", "todo"]);
  });

  it("show where it failed", () => {
    expect(stages(fold({ phase: "fetching" }, { phase: "building" }, { phase: "failed" }))).toEqual(["done", "failed", "todo", "todo"]);
    expect(stages(fold({ phase: "failed" }))).toEqual(["failed", "todo", "todo", "todo"]);
    expect(stages(fold({ phase: "built" }, { phase: "failed" }))).toEqual(["kept", "kept", "failed", "todo"]);
  });
});

describe("words", () => {
  it("name the state, and tolerate one they do not know", () => {
    expect(["waiting", "queued", "fetching", "building", "pushing", "built", "launching", "ready", "polishing"].map((phase) => fold({ phase }).label)).toEqual([
      "Waiting", "Waiting", "Fetching", "Building", "Pushing", "Launching", "Launching", "Ready", "Working",
    ]);
  });

  it("tell the place in the queue until it is left", () => {
    expect(fold({ phase: "queued", position: 3 }).detail).toBe("Place 3 in the queue");
    expect(fold({ phase: "queued", position: 1 }).detail).toBe("Next in the queue");
    expect(fold({ phase: "queued", position: 3 }, { phase: "launching" }).detail).toBe("");
  });

  it("tell the step at work", () => {
    expect(fold({ phase: "building", step: { id: "1", name: "pip install", status: "running" } }).detail).toBe("pip install");
  });
});

describe("the log", () => {
  it("puts lines with their steps, however they interleave", () => {
    const model = fold(
      { phase: "building", message: "apt\n", step: { id: "a", name: "apt", status: "running" } },
      { phase: "building", message: "a1\n", step: { id: "a" } },
      { phase: "building", message: "", step: { id: "b", name: "pip", status: "running" } },
      { phase: "building", message: "b1\n", step: { id: "b" } },
      { phase: "building", message: "a2\n", step: { id: "a" } },
      { phase: "building", step: { id: "a", status: "done", duration_ms: 1234 } },
      { phase: "building", step: { id: "b", status: "cached" } },
    );
    expect(log(model)).toEqual([
      ["apt", "done", ["a1", "a2"]],
      ["pip", "cached", ["b1"]],
    ]);
    expect(model.steps.map((step) => step.durationMs)).toEqual([1234, 400]);
  });

  it("holds output alone, blank lines too, not the events that say a step began or ended", () => {
    const mark = (status: "running" | "done", message: string) => ({ phase: "building", message, step: { id: "a", name: "apt", status } });
    const model = fold(
      mark("running", "apt\n"),
      { ...mark("running", "\n"), stream: "stdout" },
      { ...mark("running", "apt\n"), stream: "stderr" },
      mark("done", "apt (done)\n"),
      { ...mark("running", "late\n"), stream: "stdout" },
    );
    expect(log(model)).toEqual([["apt", "done", ["", "apt", "late"]]]);
  });

  it("gives words outside any step a place of their own, as BinderHub sends them", () => {
    const model = fold(
      { phase: "waiting", message: "Waiting for build to start...\n" },
      { phase: "", message: "Picked Git content provider.\n" },
      { phase: "fetching", message: "Cloning\n" },
      { phase: "building", message: "Step 1\n" },
      { phase: "unknown", message: "odd\n" },
      { phase: "built", message: "Built image, launching...\n" },
      { phase: "launching", message: "Launching server...\n" },
    );
    expect(log(model)).toEqual([
      ["Getting ready", "done", ["Waiting for build to start...", "Picked Git content provider."]],
      ["Fetching the repository", "done", ["Cloning"]],
      ["Building", "done", ["Step 1", "odd"]],
      ["Starting the session", "running", ["Built image, launching...", "Launching server..."]],
    ]);
  });

  it("marks what was running when it failed", () => {
    const model = fold(
      { phase: "building", step: { id: "a", name: "apt", status: "done" } },
      { phase: "building", message: "x\n", step: { id: "b", name: "pip", status: "running" } },
      { phase: "failed", message: "pip failed\n", fault: { by: "user", file: "requirements.txt", line: 3 } },
      { phase: "building", message: "late\n", step: { id: "b" } },
    );
    expect(log(model)).toEqual([["apt", "done", []], ["pip", "failed", ["x"]]]);
    expect(model.failure).toEqual({ by: "user", file: "requirements.txt", line: 3, message: "pip failed" });
  });

  it("never has a failure without words", () => {
    expect(fold({ phase: "failed" }).failure?.message).toBe("The launch failed, and no reason was given.");
  });

  it("keeps the newest lines of an endless step and counts the others", () => {
    const step = new Step("a", "a", 0);
    for (let i = 0; i < KEPT_LINES * 3; i++) step.write(`${i}\n`);
    expect(step.lines.length).toBeLessThanOrEqual(KEPT_LINES * 1.2);
    expect(step.dropped + step.lines.length).toBe(KEPT_LINES * 3);
    expect(plainText(step.lines.at(-1) ?? [])).toBe(String(KEPT_LINES * 3 - 1));
  });
});

describe("a session", () => {
  it("is kept with its token", () => {
    expect(fold({ phase: "ready", url: "http://h/x/", token: "t" }).session).toEqual({ url: "http://h/x/", token: "t" });
  });
});

it("durations read as people say them", () => {
  expect([0, 440, 9949, 9950, 59_400, 60_000, 185_000, 3_599_600].map(duration)).toEqual(["0.0 s", "0.4 s", "9.9 s", "10 s", "59 s", "1 min 00 s", "3 min 05 s", "60 min 00 s"]);
});

it("says times no more exactly than they are known", () => {
  const said = [500, 7900, 12_000, 44_000, 94_000, 100_000, 200_000, 3_540_000, 4_260_000, 7_200_000].map(about);
  expect(said).toEqual(["a few seconds", "a few seconds", "about 10 s", "about 40 s", "about 90 s", "about 2 min", "about 3 min", "about 59 min", "about 1 h 10 min", "about 2 h"]);
});
