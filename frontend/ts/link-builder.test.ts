import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PROVIDERS } from "./fixtures";
import { LinkBuilder } from "./link-builder";
import { WANTED, type WantedDetail } from "./repo-form";

customElements.define("link-builder", LinkBuilder);

const KINDS = ["launch-url", "badge-markdown", "badge-rst", "badge-html"];

beforeEach(() => {
  window.pageConfig = { baseUrl: "/hub/", badgeBaseUrl: "https://hub.example/" };
  document.body.innerHTML = `<link-builder>${KINDS.map((id) => `<output id="${id}"></output><button data-copy="${id}"></button>`).join("")}</link-builder>`;
});
afterEach(() => document.body.replaceChildren());

async function made(id: string, wanted: Partial<WantedDetail["wanted"]>, valid = true): Promise<string[]> {
  const provider = PROVIDERS.find((one) => one.id === id);
  if (!provider) throw new Error(id);
  const detail: WantedDetail = { provider, valid, wanted: { repo: "", ref: "", path: "", pathType: "lab", ...wanted } };
  document.dispatchEvent(new CustomEvent(WANTED, { detail }));
  await document.querySelector<LinkBuilder>("link-builder")?.updateComplete;
  return KINDS.map((kind) => document.getElementById(kind)?.textContent ?? "");
}
const disabled = () => [...document.querySelectorAll("button")].map((button) => button.disabled);

describe("the link builder", () => {
  it("writes a GitHub repository as link, Markdown, reStructuredText and HTML", async () => {
    expect(await made("gh", { repo: "user/repo", ref: "feature/x", path: "a b.ipynb" })).toEqual([
      "https://hub.example/v2/gh/user/repo/feature/x?labpath=a%20b.ipynb",
      "[![Bindery](https://hub.example/badge_logo.svg)](https://hub.example/v2/gh/user/repo/feature/x?labpath=a%20b.ipynb)",
      ".. image:: https://hub.example/badge_logo.svg\n   :alt: Bindery\n   :target: https://hub.example/v2/gh/user/repo/feature/x?labpath=a%20b.ipynb",
      '<a href="https://hub.example/v2/gh/user/repo/feature/x?labpath=a%20b.ipynb"><img src="https://hub.example/badge_logo.svg" alt="Bindery"></a>',
    ]);
    expect(disabled()).toEqual([false, false, false, false]);
  });

  it("escapes a GitLab namespace whole, as BinderHub's clients expect, and not its ref", async () => {
    const [link, markdown, rst, html] = await made("gl", { repo: "group/sub/project", ref: "feature/x", path: "lab", pathType: "url" });
    expect(link).toBe("https://hub.example/v2/gl/group%2Fsub%2Fproject/feature/x?urlpath=lab");
    for (const badge of [markdown, rst, html]) expect(badge).toContain(link);
  });

  it("escapes in HTML what would be markup", async () => {
    const [, , , html] = await made("gh", { repo: "user/repo", path: "x", asOf: "2021-03-01" });
    expect(html).toContain("?labpath=x&amp;as_of=2021-03-01");
  });

  it("shows the form of a link and copies none while there is no repository", async () => {
    const [link] = await made("gh", { repo: "user" }, false);
    expect(link).toBe("https://hub.example/v2/gh/user/repository/HEAD");
    expect(disabled()).toEqual([true, true, true, true]);
  });
});
