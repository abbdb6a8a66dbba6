/** The lines of one step on the page: only the newest are in the document, so that a log of any length stays smooth. */

import { type Line, toNodes } from "./ansi";
import type { Step } from "./build-model";

/** Lines shown at first, and how many more each press of the button brings. */
export const SHOWN = 500;
const MORE = 2000;
/** Browsers skip the layout of whole chunks that are out of sight. */
const CHUNK = 100;

export class LineList {
  #limit = SHOWN;
  /** Numbers of lines since the step's start: shown are those from `#from` up to `#to`. */
  #from = 0;
  #to = 0;
  #chunks: HTMLElement[] = [];
  #open: HTMLElement | undefined;
  #openText: Line | undefined;
  readonly #more = document.createElement("button");
  readonly #body = document.createElement("div");

  constructor(
    private readonly host: HTMLElement,
    private readonly step: Step,
  ) {
    this.#more.type = "button";
    this.#more.className = "more";
    this.#more.hidden = true;
    this.#more.addEventListener("click", () => this.#showMore());
    this.host.append(this.#more, this.#body);
  }

  /** Brings the document up to the step's lines. */
  sync(): void {
    const { step } = this;
    const end = step.dropped + step.lines.length;
    const start = Math.max(step.dropped, end - this.#limit);
    if (this.#to < start) this.#clear(start);
    if (this.#to < end) {
      this.#open?.remove();
      this.#open = undefined;
      while (this.#to < end) this.#append(step.lines[this.#to++ - step.dropped] ?? []);
    }
    this.#trim(start);
    this.#showOpen(step.current);
    const hidden = this.#from - step.dropped;
    this.#more.hidden = this.#from === 0;
    this.#more.disabled = hidden <= 0;
    if (this.#from > 0) {
      this.#more.textContent = hidden > 0 ? `Show ${Math.min(MORE, hidden)} of ${this.#from} earlier lines` : `${this.#from} earlier lines are in the whole log`;
    }
  }

  /** The element of a complete line, which is brought into the document if it is not there; none for one that is no longer kept. */
  reveal(number: number): Element | undefined {
    const { dropped, lines } = this.step;
    const end = dropped + lines.length;
    if (number < dropped || number >= end) return undefined;
    if (number < this.#from) {
      // With some of what led up to it.
      this.#limit = Math.max(this.#limit, end - number + CHUNK);
      this.#clear(Math.max(dropped, end - this.#limit));
    }
    this.sync();
    const at = number - this.#from;
    return this.#chunks[Math.floor(at / CHUNK)]?.children[at % CHUNK];
  }

  #append(line: Line): void {
    let chunk = this.#chunks.at(-1);
    if (!chunk || chunk.childElementCount >= CHUNK) {
      chunk = document.createElement("div");
      chunk.className = "chunk";
      this.#chunks.push(chunk);
      this.#body.append(chunk);
    }
    chunk.append(lineElement(line));
  }

  /** Whole chunks only, so that a page is not laid out anew for each line. */
  #trim(start: number): void {
    for (let first = this.#chunks[0]; first && this.#chunks.length > 1 && this.#from + first.childElementCount <= start; first = this.#chunks[0]) {
      this.#from += first.childElementCount;
      first.remove();
      this.#chunks.shift();
    }
  }

  #showOpen(line: Line): void {
    if (line.length === 0) {
      this.#open?.remove();
      this.#open = undefined;
      return;
    }
    if (this.#open && this.#openText === line && this.#open.textContent === line.map((run) => run.text).join("")) return;
    const fresh = lineElement(line);
    if (this.#open) this.#open.replaceWith(fresh);
    else this.#body.append(fresh);
    this.#open = fresh;
    this.#openText = line;
  }

  #clear(from: number): void {
    this.#body.replaceChildren();
    this.#chunks = [];
    this.#open = undefined;
    this.#from = from;
    this.#to = from;
  }

  #showMore(): void {
    this.#limit += MORE;
    const end = this.step.dropped + this.step.lines.length;
    this.#clear(Math.max(this.step.dropped, end - this.#limit));
    this.sync();
  }
}

function lineElement(line: Line): HTMLElement {
  const element = document.createElement("div");
  element.className = "line";
  if (line.length === 0) element.append("\n");
  else element.append(...toNodes(line));
  return element;
}
