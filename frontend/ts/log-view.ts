/** `<log-view>`: the build log by step, the step at work open; to be searched, copied and kept. */

import { html, LitElement, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { plainText } from "./ansi";
import { type BuildModel, duration, type Step } from "./build-model";
import { LineList } from "./line-list";
import { findLines, neighbour, type Place } from "./log-search";

const STATUS: Record<Step["status"], string> = { running: "running", done: "done", cached: "cached", failed: "failed" };

/** What took less is not worth a number. */
const SHORT_MS = 100;

export class LogView extends LitElement {
  static override properties = { model: { attribute: false } };
  model: BuildModel | undefined;
  #lists = new Map<string, LineList>();
  /** What a visitor opened or closed by hand stays so. */
  #chosen = new Map<string, boolean>();
  /** What the log is called as a file. */
  fileName = "build.log.txt";
  #copied = "";
  #query = "";
  #places: Place[] = [];
  #place: Place | undefined;
  #found: Element | undefined;
  #atEnd = true;

  protected override createRenderRoot(): HTMLElement {
    this.replaceChildren();
    return this;
  }

  /** Opens a step, scrolls to its end and puts the keyboard there. */
  async show(id: string): Promise<void> {
    this.#chosen.set(id, true);
    this.requestUpdate();
    await this.updateComplete;
    const step = this.querySelector(`[data-lines="${CSS.escape(id)}"]`)?.closest("details");
    if (!step) return;
    this.scrollIntoView({ block: "start" });
    step.scrollIntoView({ block: "end" });
    step.querySelector("summary")?.focus({ preventScroll: true });
  }

  protected override willUpdate(): void {
    const panel = this.querySelector(".steps");
    this.#atEnd = !panel || panel.scrollHeight - panel.scrollTop - panel.clientHeight < 48;
  }

  protected override updated(): void {
    for (const step of this.model?.steps ?? []) {
      const host = this.querySelector<HTMLElement>(`[data-lines="${CSS.escape(step.id)}"]`);
      if (!host) continue;
      let list = this.#lists.get(step.id);
      if (!list) {
        list = new LineList(host, step);
        this.#lists.set(step.id, list);
      }
      list.sync();
    }
    const panel = this.querySelector(".steps");
    if (panel && this.#atEnd) panel.scrollTop = panel.scrollHeight;
  }

  protected override render(): unknown {
    const steps = this.model?.steps ?? [];
    return html`
      <div class="log-tools">
        <span class="count">${steps.length > 0 ? nothing : this.model?.finished ? "Nothing was written." : "Nothing yet."}</span>
        <span class="visually-hidden" role="status">${this.#copied}</span>
        ${this.dataset.buildLogUrl ? html`<a href=${this.dataset.buildLogUrl}>Whole log</a> <a href=${this.dataset.buildLogUrl} download=${this.fileName}>Download</a>` : nothing}
        <button class="button small" type="button" ?disabled=${steps.length === 0} @click=${this.#copy}>Copy log</button>
      </div>
      ${steps.length === 0 ? nothing : this.#search()}
      <div class="steps" tabindex="0" role="region" aria-label="Build log by step">
        ${repeat(
          steps,
          (step) => step.id,
          (step) => html`<details data-step-status=${step.status} ?open=${this.#isOpen(step)} @toggle=${(event: Event) => this.#toggled(step, event)}>
            <summary>
              <span class="mark" aria-hidden="true"></span>
              <span class="step-name">${step.name}</span>
              <span class="step-status">${STATUS[step.status]}${(step.durationMs ?? 0) < SHORT_MS ? nothing : html`<span class="took">${duration(step.durationMs ?? 0)}</span>`}</span>
            </summary>
            <div class="lines" data-lines=${step.id}></div>
          </details>`,
        )}
      </div>
    `;
  }

  #search(): unknown {
    const at = this.#place ? this.#places.indexOf(this.#place) + 1 : 0;
    const said = this.#query === "" ? "" : this.#places.length === 0 ? "Not in the log so far" : at > 0 ? `${at} of ${this.#places.length}` : `${this.#places.length} lines`;
    return html`<form class="log-search" role="search" aria-label="Build log" @submit=${this.#next}>
      <label class="visually-hidden" for="log-query">Find in the log</label>
      <input id="log-query" type="search" placeholder="Find in the log" autocomplete="off" autocapitalize="off" spellcheck="false"
        @input=${this.#asked} @keydown=${this.#key}>
      <button class="button small" type="submit">Next</button>
      <button class="button small" type="button" @click=${() => void this.#go(true)}>Previous</button>
      <span class="found-count" role="status">${said}</span>
    </form>`;
  }

  readonly #asked = (event: Event): void => {
    this.#query = (event.target as HTMLInputElement).value.trim();
    this.#places = findLines(this.model?.steps ?? [], this.#query);
    this.#mark(undefined);
    this.#place = undefined;
    this.requestUpdate();
  };

  readonly #next = (event: Event): void => {
    event.preventDefault();
    void this.#go(false);
  };

  readonly #key = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" || !event.shiftKey) return;
    event.preventDefault();
    void this.#go(true);
  };

  /** To the next line found, or the one before: its step is opened, and it is in the middle of what is seen. */
  async #go(back: boolean): Promise<void> {
    const steps = this.model?.steps ?? [];
    // The log may have grown since.
    this.#places = findLines(steps, this.#query);
    const place = this.#places[neighbour(this.#places, steps, this.#place, back)];
    this.#place = place;
    if (place) this.#chosen.set(place.step.id, true);
    this.requestUpdate();
    await this.updateComplete;
    this.#mark(place && this.#lists.get(place.step.id)?.reveal(place.number));
  }

  #mark(line: Element | undefined): void {
    this.#found?.classList.remove("found");
    this.#found = line;
    line?.classList.add("found");
    line?.scrollIntoView({ block: "center" });
  }

  /** The newest step stays open after its end, so that its last words can be read; a failed one always. */
  #isOpen(step: Step): boolean {
    return this.#chosen.get(step.id) ?? (step.status === "running" || step.status === "failed" || step === this.model?.steps.at(-1));
  }

  #toggled(step: Step, event: Event): void {
    const open = (event.target as HTMLDetailsElement).open;
    if (open !== this.#isOpen(step)) this.#chosen.set(step.id, open);
  }

  readonly #copy = async (): Promise<void> => {
    const text = (this.model?.steps ?? []).map((step) => [`== ${step.name} (${step.status})`, ...step.lines.map(plainText), plainText(step.current)].join("\n")).join("\n");
    try {
      await navigator.clipboard.writeText(text);
      this.#copied = "Copied the log.";
    } catch {
      this.#copied = "The browser did not allow copying.";
    }
    this.requestUpdate();
  };
}
