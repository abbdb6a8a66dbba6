/** Finding text in a build's log, whether or not its line is on the page. */

import { plainText } from "./ansi";
import type { Step } from "./build-model";

/** A complete line: its step, and its number from the step's start. */
export interface Place {
  step: Step;
  number: number;
}

/** Every line with this text in it, in the log's order; capitals do not matter. None for no text. */
export function findLines(steps: readonly Step[], text: string): Place[] {
  const wanted = text.toLowerCase();
  if (wanted === "") return [];
  return steps.flatMap((step) =>
    step.lines.flatMap((line, at) => (plainText(line).toLowerCase().includes(wanted) ? [{ step, number: step.dropped + at }] : [])),
  );
}

/** The index of the place after (or before) `from` in the log's order, round its end. */
export function neighbour(places: readonly Place[], steps: readonly Step[], from: Place | undefined, back: boolean): number {
  if (places.length === 0) return -1;
  if (!from) return back ? places.length - 1 : 0;
  const order = ({ step, number }: Place) => [steps.indexOf(step), number] as const;
  const [step, number] = order(from);
  const before = (one: Place) => {
    const [otherStep, otherNumber] = order(one);
    return otherStep < step || (otherStep === step && otherNumber < number);
  };
  const same = (one: Place) => one.step === from.step && one.number === from.number;
  if (back) {
    const found = places.findLastIndex(before);
    return found < 0 ? places.length - 1 : found;
  }
  const found = places.findIndex((one) => !before(one) && !same(one));
  return found < 0 ? 0 : found;
}
