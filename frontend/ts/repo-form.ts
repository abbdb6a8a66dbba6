/** `<repo-form>`: makes the server's form understand pasted addresses and tell the link builder what is wanted. */

import { ReactiveElement } from "lit";
import { isValid, launchPath, type Wanted } from "./launch-link";
import { pageConfig, type Provider } from "./page-config";
import { type PathType, parseRepository, type Source } from "./repo-url";

/** Sent, bubbling, whenever what the form asks for may have changed. */
export const WANTED = "bindery-wanted";

export interface WantedDetail {
  provider: Provider;
  wanted: Wanted;
  valid: boolean;
}

export class RepoForm extends ReactiveElement {
  /** Where to go on launch; tests put their own. */
  navigate = (path: string): void => location.assign(path);
  #providers: Provider[] = [];
  #filled = new Map<HTMLInputElement, string>();

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#providers = pageConfig().repoProviders ?? [];
    // Without script the server takes names and clone addresses only.
    if (!this.#note.classList.contains("wrong")) this.#say(this.#hint);
    this.addEventListener("input", this.#input);
    this.addEventListener("change", this.#change);
    this.addEventListener("submit", this.#submit);
    this.#showProvider();
    queueMicrotask(() => this.#tell());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.removeEventListener("input", this.#input);
    this.removeEventListener("change", this.#change);
    this.removeEventListener("submit", this.#submit);
  }

  /** What the form asks for now, a pasted address in the repository field taken apart. */
  current(): WantedDetail | null {
    const selected = this.#select("provider").value;
    const typed = this.#field("repository").value;
    const source = parseRepository(typed, this.#providers, selected);
    const provider = this.#provider(source?.provider ?? selected);
    if (!provider) return null;
    const wanted: Wanted = {
      repo: source?.repo ?? "",
      ref: source?.ref ?? this.#field("ref").value,
      path: source?.path ?? this.#field("path").value,
      pathType: source?.path ? (source.pathType ?? "lab") : this.#pathType(),
      asOf: source?.asOf ?? this.#field("as-of").value,
    };
    return { provider, wanted, valid: source !== null && isValid(provider, wanted) };
  }

  readonly #input = (event: Event): void => {
    this.#complain("");
    const kind = (event as InputEvent).inputType ?? "";
    if (event.target === this.#field("repository") && /^insertFrom(Paste|Drop)/.test(kind)) this.#takeApart();
    this.#tell();
  };

  readonly #change = (event: Event): void => {
    if (event.target === this.#field("repository")) this.#takeApart();
    if (event.target === this.#select("provider")) {
      this.#showProvider();
      this.#complain("");
    }
    this.#tell();
  };

  readonly #submit = (event: Event): void => {
    event.preventDefault();
    const current = this.current();
    const path = current?.valid ? launchPath(current.provider, current.wanted) : null;
    if (path) this.navigate(pageConfig().baseUrl + path);
    else {
      this.#complain("This is not a repository we can name. Try its full address, such as https://github.com/user/repository.");
      this.#field("repository").focus();
    }
  };

  /** Puts the parts of an address into the fields they belong to. */
  #takeApart(): void {
    const field = this.#field("repository");
    const source = parseRepository(field.value, this.#providers, this.#select("provider").value);
    if (!source || source.repo === field.value.trim() && source.provider === this.#select("provider").value) return;
    field.value = source.repo;
    this.#select("provider").value = source.provider;
    this.#showProvider();
    this.#fill("ref", source.ref);
    this.#fill("path", source.path);
    this.#fill("as-of", source.asOf);
    if (source.asOf) this.#field("as-of").closest("details")?.setAttribute("open", "");
    if (source.path) this.#select("path-type").value = source.pathType ?? "lab";
    this.#say(this.#recognised(source));
  }

  /** Sets a field, or clears what an earlier address had put there. */
  #fill(id: string, value: string | undefined): void {
    const field = this.#field(id);
    if (value !== undefined) field.value = value;
    else if (this.#filled.get(field) === field.value) field.value = "";
    if (value === undefined) this.#filled.delete(field);
    else this.#filled.set(field, value);
  }

  get #hint(): string {
    const provider = this.#provider(this.#select("provider").value);
    const { hint = "", hintRecord = hint } = this.#note.dataset;
    return provider?.ref.enabled === false ? hintRecord : hint;
  }

  #recognised({ provider, ref, path }: Source): string {
    const found = this.#provider(provider);
    const name = found?.displayName ?? provider;
    return `Recognised: ${[found?.ref.enabled === false ? name : `${name} repository`, ref && `ref ${ref}`, path && `path ${path}`].filter(Boolean).join(", ")}.`;
  }

  #showProvider(): void {
    const provider = this.#provider(this.#select("provider").value);
    if (!provider) return;
    const field = this.#field("repository");
    field.placeholder = provider.repo.placeholder;
    const label = this.querySelector('label[for="repository"]');
    if (label) label.textContent = provider.repo.label;
    const ref = this.#field("ref");
    ref.disabled = !provider.ref.enabled;
    ref.placeholder = provider.ref.enabled ? (provider.ref.default ?? "HEAD") : "Not needed";
  }

  #tell(): void {
    const detail = this.current();
    if (detail) this.dispatchEvent(new CustomEvent<WantedDetail>(WANTED, { detail, bubbles: true }));
  }

  #complain(reason: string): void {
    this.#note.classList.toggle("wrong", reason !== "");
    if (reason) this.#field("repository").setAttribute("aria-invalid", "true");
    else this.#field("repository").removeAttribute("aria-invalid");
    this.#say(reason || this.#hint);
  }

  #say(text: string): void {
    if (this.#note.textContent !== text) this.#note.textContent = text;
  }

  #pathType(): PathType {
    const value = this.#select("path-type").value;
    return value === "file" || value === "url" ? value : "lab";
  }

  #provider(id: string): Provider | undefined {
    return this.#providers.find((provider) => provider.id === id);
  }

  get #note(): HTMLElement {
    return this.querySelector("#repository-note") as HTMLElement;
  }
  #field(id: string): HTMLInputElement {
    return this.querySelector(`#${id}`) as HTMLInputElement;
  }
  #select(id: string): HTMLSelectElement {
    return this.querySelector(`#${id}`) as HTMLSelectElement;
  }
}
