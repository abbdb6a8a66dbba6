/** `<link-builder>`: the launch link and badges for what the form asks for. */

import { type PropertyValues, ReactiveElement } from "lit";
import { badges, launchPath } from "./launch-link";
import { pageConfig, publicBase } from "./page-config";
import { WANTED, type WantedDetail } from "./repo-form";

export class LinkBuilder extends ReactiveElement {
  static override properties = { wanted: { attribute: false } };
  wanted: WantedDetail | null = null;

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener(WANTED, this.#listen);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener(WANTED, this.#listen);
  }

  protected override updated(_: PropertyValues<this>): void {
    const base = publicBase(pageConfig(), location.href);
    const path = this.wanted?.valid ? launchPath(this.wanted.provider, this.wanted.wanted) : null;
    // Before there is a repository the shape of a link says more than an empty box.
    const url = base + (path ?? "v2/gh/user/repository/HEAD");
    const made = badges(base, url);
    for (const [id, text] of [["launch-url", url], ["badge-markdown", made.markdown], ["badge-rst", made.rst], ["badge-html", made.html]] as const) {
      const output = this.querySelector(`#${id}`);
      if (output) output.textContent = text;
    }
    this.toggleAttribute("data-example", path === null);
    for (const button of this.querySelectorAll<HTMLButtonElement>("button[data-copy]")) button.disabled = path === null;
  }

  readonly #listen = (event: Event): void => {
    this.wanted = (event as CustomEvent<WantedDetail>).detail;
  };
}
