/** `<build-progress>`: where a build is, in a word, on a rail and in time. */

import { html, LitElement, nothing } from "lit";
import { type BuildModel, duration, STAGES, type Stage, type StageStatus } from "./build-model";

const STAGE_NAMES: Record<Stage, string> = { fetch: "Fetch", build: "Build", launch: "Launch", open: "Open" };
const STATUS_NAMES: Record<StageStatus, string> = { todo: "to come", active: "at work", done: "done", kept: "not needed", failed: "failed" };

export class BuildProgress extends LitElement {
  static override properties = { model: { attribute: false } };
  model: BuildModel | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  protected override createRenderRoot(): HTMLElement {
    this.replaceChildren();
    return this;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#timer = setInterval(() => this.#tick(), 1000);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.#timer);
  }

  protected override updated(): void {
    this.dataset.phase = this.model?.phase ?? "waiting";
  }

  protected override render(): unknown {
    const model = this.model;
    return html`
      <p class="state">
        <span class="dot" aria-hidden="true"></span>
        <span id="build-state" role="status" aria-live="polite">${model?.label ?? "Waiting"}</span>
        <span class="elapsed"><span class="visually-hidden">Time so far: </span>${this.#elapsed()}</span>
      </p>
      ${model?.usual && !model.detail ? nothing : html`<p class="detail">${model?.detail || "\u00a0"}</p>`}
      ${model?.usual ? html`<p class="usual">${model.usual}</p>` : nothing}
      <ol class="rail" aria-label="Progress">
        ${STAGES.map((stage) => {
          const status = model?.stage(stage) ?? "todo";
          return html`<li data-status=${status} aria-current=${status === "active" ? "step" : nothing}>
            <span class="stitch" aria-hidden="true"></span>
            <span class="name">${STAGE_NAMES[stage]}</span>
            <span class="visually-hidden">: ${STATUS_NAMES[status]}</span>
          </li>`;
        })}
      </ol>
      <p class="connection" role="status">${model?.connection === "reconnecting" ? "Connection lost, reconnecting. The build goes on meanwhile." : nothing}</p>
    `;
  }

  #elapsed(): string {
    if (!this.model) return "";
    const ms = (this.model.endedAt ?? Date.now()) - this.model.startedAt;
    return ms < 1000 ? "" : duration(Math.floor(ms / 1000) * 1000).replace(/\.0 s$/, " s");
  }

  #tick(): void {
    if (this.model && !this.model.finished) this.requestUpdate();
  }
}
