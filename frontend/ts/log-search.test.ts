import { describe, expect, it } from "vitest";
import { Step } from "./build-model";
import { findLines, neighbour } from "./log-search";

function steps(...logs: string[]): Step[] {
  return logs.map((log, at) => {
    const step = new Step(`s${at}`, `Step ${at}`, 0);
    step.write(log);
    return step;
  });
}
const at = (all: Step[], text: string) => findLines(all, text).map(({ step, number }) => `${step.id}:${number}`);

describe("finding lines", () => {
  it("looks at what a person sees, in every step, whatever the capitals", () => {
    const all = steps("Collecting six\n\u001b[31mERROR\u001b[0m: no\n", "10%\rerror again\nfine\nError");
    expect(at(all, "error")).toEqual(["s0:1", "s1:0"]);
    expect(at(all, "10%")).toEqual([]);
    expect(at(all, "")).toEqual([]);
    expect(at(all, "[31m")).toEqual([]);
  });

  it("takes the text as it is, not as a pattern", () => {
    expect(at(steps("a.b\naxb\n(c\n"), ".")).toEqual(["s0:0"]);
    expect(at(steps("a.b\naxb\n(c\n"), "(")).toEqual(["s0:2"]);
  });

  it("counts lines from the step's start also when the oldest are gone", () => {
    const [step] = steps("a\nb\nc\n");
    step?.lines.splice(0, 2);
    if (step) step.dropped = 2;
    expect(at(step ? [step] : [], "c")).toEqual(["s0:2"]);
  });
});

describe("going from one to the next", () => {
  const all = steps("x\ny\nx\n", "x\n");
  const places = findLines(all, "x");
  const go = (from: number | undefined, back = false) => neighbour(places, all, from === undefined ? undefined : places[from], back);

  it("goes on and back, and round the ends", () => {
    expect([go(undefined), go(0), go(1), go(2)]).toEqual([0, 1, 2, 0]);
    expect([go(undefined, true), go(2, true), go(1, true), go(0, true)]).toEqual([2, 1, 0, 2]);
    expect(neighbour([], all, undefined, false)).toBe(-1);
  });

  it("goes on from where one was that is no longer found", () => {
    const gone = { step: all[0] as Step, number: 1 };
    expect(neighbour(places, all, gone, false)).toBe(1);
    expect(neighbour(places, all, gone, true)).toBe(0);
  });
});
