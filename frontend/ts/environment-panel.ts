/** `<environment-panel>`: what the notebook will have and why, which files said so, and which did not. */

import { html, LitElement, nothing, type TemplateResult } from "lit";
import { type Choice, chosenBy, type Plan } from "./plan";

export class EnvironmentPanel extends LitElement {
  static override properties = { plan: { attribute: false }, recordUrl: { attribute: false } };
  plan: Plan | undefined;
  /** Where the build's records are, once there is an image to have them of. */
  recordUrl: string | undefined;

  protected override createRenderRoot(): HTMLElement {
    this.replaceChildren();
    return this;
  }

  protected override updated(): void {
    this.hidden = !this.plan;
  }

  protected override render(): unknown {
    const plan = this.plan;
    if (!plan) return nothing;
    return html`
      <section class="sheet environment" aria-labelledby="environment-title">
        <h2 id="environment-title">Environment</h2>
        ${notes(plan.notes)}
        <dl class="choices">
          ${chosen("Python", plan.python)} ${chosen("R", plan.r)} ${chosen("Julia", plan.julia)} ${chosen("Packages of", plan.asOf)}
          ${plan.dockerfile ? row("Built from", html`<code>${plan.dockerfile}</code>, the repository\u2019s own`) : row("On top of", html`<code>${plan.base}</code>`)}
        </dl>
        ${files("Files used", plan.used.map(({ file, for: what }) => [file, what]))}
        ${plan.used.length === 0 && !plan.dockerfile ? html`<p class="note">No file says what the repository needs: it gets what the base image has.</p>` : nothing}
        ${files("Files not used", plan.ignored.map(({ file, reason }) => [file, reason]))}
        ${steps(plan)} ${records(this.recordUrl)}
      </section>
    `;
  }
}

function row(name: string, value: unknown): TemplateResult {
  return html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
}

function chosen(name: string, choice: Choice | undefined): unknown {
  return choice ? row(name, html`<strong>${choice.version}</strong>${choice.source ? html` <span class="why">${chosenBy(choice)}</span>` : nothing}`) : nothing;
}

/** What a visitor should know before they wonder, such as a version in place of another. */
function notes(texts: string[]): unknown {
  if (texts.length === 0) return nothing;
  return html`<ul class="notes" aria-label="Worth knowing">
    ${texts.map((text) => html`<li>${text}</li>`)}
  </ul>`;
}

function files(title: string, rows: [string, string][]): unknown {
  if (rows.length === 0) return nothing;
  return html`<h3>${title}</h3>
    <dl class="files">
      ${rows.map(([file, what]) => html`<div><dt><code>${file}</code></dt><dd>${what}</dd></div>`)}
    </dl>`;
}

function records(url: string | undefined): unknown {
  if (!url) return nothing;
  return html`<p class="records">What the image was made of: <a href=${`${url}/provenance`}>provenance</a>,
    <a href=${`${url}/bill-of-materials`}>every package in it</a>.</p>`;
}

function steps(plan: Plan): unknown {
  if (plan.steps.length === 0) return nothing;
  const each = plan.steps.filter((step) => step.needsContent).length;
  const count = `${plan.steps.length} ${plan.steps.length === 1 ? "step" : "steps"}`;
  return html`<details class="plan-steps">
    <summary>${count}${plan.dockerfile ? "" : `, ${each} of them for every commit`}</summary>
    <ol>
      ${plan.steps.map((step) => html`<li>${step.name}${plan.dockerfile ? nothing : html` <span class="why">${step.needsContent ? "for every commit" : "once per environment"}</span>`}</li>`)}
    </ol>
  </details>`;
}
