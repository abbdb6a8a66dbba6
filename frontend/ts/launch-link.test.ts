import { describe, expect, it } from "vitest";
import { PROVIDERS } from "./fixtures";
import { badges, isValid, launchPath } from "./launch-link";
import type { Provider } from "./page-config";
import { parseRepository, type PathType } from "./repo-url";

const provider = (id: string) => PROVIDERS.find((p) => p.id === id) as Provider;
const wanted = (repo: string, ref = "", path = "", pathType: PathType = "lab") => ({ repo, ref, path, pathType });

describe("launch links", () => {
  it.each([
    ["gh", wanted("user/repo"), "v2/gh/user/repo/HEAD"],
    ["gh", wanted(" user/repo/ ", " main "), "v2/gh/user/repo/main"],
    ["gh", wanted("user/repo", "feature/x"), "v2/gh/user/repo/feature/x"],
    ["gh", wanted("user/repo", "a#b?c"), "v2/gh/user/repo/a%23b%3Fc"],
    ["gh", wanted("user/repo", "", "a b/c.ipynb"), "v2/gh/user/repo/HEAD?labpath=a%20b/c.ipynb"],
    ["gh", wanted("user/repo", "", "c.ipynb", "file"), "v2/gh/user/repo/HEAD?filepath=c.ipynb"],
    ["gh", wanted("user/repo", "", "lab/tree/c?reset&x=1", "url"), "v2/gh/user/repo/HEAD?urlpath=lab/tree/c%3Freset%26x%3D1"],
    ["gl", wanted("group/sub/repo", "main"), "v2/gl/group%2Fsub%2Frepo/main"],
    ["git", wanted("http://127.0.0.1:9418/r.git"), "v2/git/http%3A%2F%2F127.0.0.1%3A9418%2Fr.git/HEAD"],
  ])("%s %j", (id, what, path) => expect(launchPath(provider(id), what)).toBe(path));

  it("name the day whose packages are wanted", () => {
    expect(launchPath(provider("gh"), { ...wanted("user/repo", "main"), asOf: "2021-03-01" })).toBe("v2/gh/user/repo/main?as_of=2021-03-01");
    expect(launchPath(provider("gh"), { ...wanted("user/repo", "", "a.ipynb"), asOf: "commit" })).toBe("v2/gh/user/repo/HEAD?labpath=a.ipynb&as_of=commit");
    expect(launchPath(provider("gh"), { ...wanted("user/repo"), asOf: " " })).toBe("v2/gh/user/repo/HEAD");
    expect(parseRepository("https://b.example/v2/gh/user/repo/HEAD?as_of=commit", PROVIDERS, "gh")).toEqual({ provider: "gh", repo: "user/repo", asOf: "commit" });
    expect(parseRepository("https://b.example/v2/gh/user/repo/HEAD?as_of=2021-03-01?urlpath=lab", PROVIDERS, "gh")).toEqual({ provider: "gh", repo: "user/repo", asOf: "2021-03-01", path: "lab", pathType: "url" });
  });

  it("have no ref where the provider has none", () => {
    const zenodo = { ...provider("gh"), id: "zenodo", ref: { enabled: false } };
    expect(launchPath(zenodo, wanted("10.5281/zenodo.1", "x"))).toBe("v2/zenodo/10.5281/zenodo.1");
  });

  it("need a repository", () => expect(launchPath(provider("gh"), wanted("  "))).toBeNull());

  it("are checked by the provider's own expression", () => {
    expect(isValid(provider("gh"), wanted("user/repo"))).toBe(true);
    expect(isValid(provider("gh"), wanted("user"))).toBe(false);
    expect(isValid({ ...provider("gh"), spec: { validateRegex: "(" } }, wanted("user/repo"))).toBe(true);
  });

  it("read back as what they were made of", () => {
    for (const [id, repo] of [["gh", "user/repo"], ["gl", "group/sub/repo"], ["git", "https://example.org/a b.git"]] as const) {
      const path = launchPath(provider(id), wanted(repo, "feature/(x)", "a b/c'(1).ipynb", "file"));
      expect(parseRepository(`https://bindery.example/${path}`, PROVIDERS, "gh")).toEqual({ provider: id, repo, ref: "feature/(x)", path: "a b/c'(1).ipynb", pathType: "file" });
    }
  });
});

describe("badges", () => {
  const url = `https://b.example/${launchPath(provider("gh"), wanted("user/repo", "(x)", "a)b'_", "url"))}`;
  const made = badges("https://b.example/", url);

  it("stay whole in Markdown", () => {
    expect(made.markdown).toBe("[![Bindery](https://b.example/badge_logo.svg)](https://b.example/v2/gh/user/repo/%28x%29?urlpath=a%29b%27%5F)");
  });

  it("stay whole in reStructuredText", () => {
    expect(made.rst.split("\n")).toEqual([".. image:: https://b.example/badge_logo.svg", "   :alt: Bindery", `   :target: ${url}`]);
    expect(url.endsWith("_")).toBe(false);
  });

  it("stay whole in HTML", () => {
    const host = document.createElement("div");
    host.innerHTML = badges("https://b.example/", 'https://b.example/?a=1&b="><script>').html;
    expect(host.querySelector("script")).toBeNull();
    expect(host.querySelector("a")?.getAttribute("href")).toBe('https://b.example/?a=1&b="><script>');
  });
});
