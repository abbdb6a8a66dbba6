import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PROVIDERS } from "./fixtures";
import { LinkBuilder } from "./link-builder";
import { RepoForm } from "./repo-form";

customElements.define("link-builder", LinkBuilder);
customElements.define("repo-form", RepoForm);

const FORM = `
<repo-form><form>
  <select id="provider">${PROVIDERS.map((p) => `<option value="${p.id}">${p.displayName}</option>`).join("")}</select>
  <label for="repository"></label><input id="repository"><p id="repository-note" data-hint="Any address."></p>
  <input id="ref"><select id="path-type"><option>lab</option><option>file</option><option>url</option></select><input id="path"><details><input id="as-of"></details>
  <button id="btn-launch" type="submit">Launch</button>
</form></repo-form>
<link-builder>
  <output id="launch-url"></output><button data-copy="launch-url" id="btn-copy-url"></button>
  <output id="badge-markdown"></output><output id="badge-rst"></output><output id="badge-html"></output><p data-copied></p>
</link-builder>`;

const field = (id: string) => document.getElementById(id) as HTMLInputElement;
const form = () => document.querySelector("repo-form") as RepoForm;
const shown = async (id = "launch-url") => {
  await new Promise((done) => setTimeout(done));
  await (document.querySelector("link-builder") as LinkBuilder).updateComplete;
  return document.getElementById(id)?.textContent;
};
function type(id: string, value: string, how: "typed" | "pasted" | "chosen" = "typed") {
  field(id).value = value;
  field(id).dispatchEvent(new InputEvent("input", { bubbles: true, inputType: how === "pasted" ? "insertFromPaste" : "insertText" }));
  if (how === "chosen") field(id).dispatchEvent(new Event("change", { bubbles: true }));
}
const values = () => ["provider", "repository", "ref", "path-type", "path"].map((id) => field(id).value);

let went: string[];
beforeEach(() => {
  window.pageConfig = { baseUrl: "/hub/", badgeBaseUrl: "https://b.example/hub/", repoProviders: PROVIDERS };
  // Elements come to life with their children in place, as they do in a parsed page.
  const page = document.createElement("main");
  page.innerHTML = FORM;
  document.body.replaceChildren(page);
  went = [];
  form().navigate = (path) => void went.push(path);
});
afterEach(() => document.body.replaceChildren());

describe("the form", () => {
  it("takes a pasted address apart into its fields and says so", () => {
    type("repository", "https://gitlab.com/group/sub/repo/-/blob/dev/nb/a.ipynb", "pasted");
    expect(values()).toEqual(["gl", "group/sub/repo", "dev", "lab", "nb/a.ipynb"]);
    expect(document.getElementById("repository-note")?.textContent).toBe("Recognised: GitLab repository, ref dev, path nb/a.ipynb.");
    expect(document.querySelector("label")?.textContent).toBe("GitLab repository name or URL");
  });

  it("clears what an earlier address filled in, but nothing a person typed", () => {
    type("repository", "https://github.com/a/b/blob/dev/x.ipynb", "pasted");
    type("path", "mine.ipynb");
    type("repository", "https://github.com/c/d", "pasted");
    expect(values()).toEqual(["gh", "c/d", "", "lab", "mine.ipynb"]);
  });

  it("launches an address that was typed and never left the field", () => {
    type("repository", "http://127.0.0.1:9418/repo.git");
    (document.querySelector("form") as HTMLFormElement).requestSubmit();
    expect(went).toEqual(["/hub/v2/git/http%3A%2F%2F127.0.0.1%3A9418%2Frepo.git/HEAD"]);
  });

  it("launches at the path and in the way chosen", () => {
    type("repository", "user/repo");
    type("ref", "v1");
    type("path", "a.ipynb");
    type("path-type", "file", "chosen");
    (document.querySelector("form") as HTMLFormElement).requestSubmit();
    expect(went).toEqual(["/hub/v2/gh/user/repo/v1?filepath=a.ipynb"]);
  });

  it("asks for the packages of the day chosen, and takes one from a link", () => {
    type("repository", "user/repo");
    type("path", "a.ipynb");
    type("as-of", " 2021-03-01 ");
    (document.querySelector("form") as HTMLFormElement).requestSubmit();
    expect(went).toEqual(["/hub/v2/gh/user/repo/HEAD?labpath=a.ipynb&as_of=2021-03-01"]);
    type("repository", "https://other.example/v2/gh/c/d/main?as_of=commit", "pasted");
    expect(field("as-of").value).toBe("commit");
    expect(field("as-of").closest("details")?.open).toBe(true);
  });

  it("goes nowhere with what names no repository, says why, and takes it back when corrected", () => {
    type("repository", "nonsense");
    (document.querySelector("form") as HTMLFormElement).requestSubmit();
    expect(went).toEqual([]);
    expect(field("repository").getAttribute("aria-invalid")).toBe("true");
    expect(document.getElementById("repository-note")?.classList.contains("wrong")).toBe(true);
    type("repository", "user/repo");
    expect(field("repository").hasAttribute("aria-invalid")).toBe(false);
    expect(document.getElementById("repository-note")?.textContent).toBe("Any address.");
  });
});

describe("the link builder", () => {
  it("shows an example until there is a repository", async () => {
    expect(await shown()).toBe("https://b.example/hub/v2/gh/user/repository/HEAD");
    expect((document.getElementById("btn-copy-url") as HTMLButtonElement).disabled).toBe(true);
  });

  it("follows every keystroke", async () => {
    type("repository", "https://github.com/user/repo/tree/dev");
    expect(await shown()).toBe("https://b.example/hub/v2/gh/user/repo/dev");
    type("path", "a.ipynb");
    expect(await shown()).toBe("https://b.example/hub/v2/gh/user/repo/dev?labpath=a.ipynb");
    expect(await shown("badge-markdown")).toBe("[![Bindery](https://b.example/hub/badge_logo.svg)](https://b.example/hub/v2/gh/user/repo/dev?labpath=a.ipynb)");
    expect((document.getElementById("btn-copy-url") as HTMLButtonElement).disabled).toBe(false);
  });
});
