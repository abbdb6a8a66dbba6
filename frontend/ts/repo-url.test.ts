import { describe, expect, it } from "vitest";
import { PROVIDERS } from "./fixtures";
import { isValid } from "./launch-link";
import { hostOf, parseRepository, type Source } from "./repo-url";

const parse = (text: string, selected = "gh") => parseRepository(text, PROVIDERS, selected);
const gh = { provider: "gh", repo: "user/repo" };
const SHA = "0123456789abcdef0123456789abcdef01234567";

const RECOGNISED: [string, Source][] = [
  ["https://github.com/user/repo", gh],
  ["https://github.com/user/repo/", gh],
  ["https://github.com/user/repo.git", gh],
  ["http://www.github.com/user/repo", gh],
  ["HTTPS://GitHub.com/user/repo", gh],
  ["  https://github.com/user/repo\n", gh],
  ["github.com/user/repo", gh],
  ["git@github.com:user/repo.git", gh],
  ["ssh://git@github.com/user/repo.git", gh],
  ["git://github.com/user/repo.git", gh],
  ["git+https://github.com/user/repo.git", gh],
  ["https://me:secret@github.com/user/repo", gh],
  ["https://github.com/user/repo#readme", gh],
  ["https://github.com/user/repo?tab=readme-ov-file", gh],
  ["https://github.com/user/repo/issues", gh],
  ["user/repo", gh],
  ["user/repo@v1.2", { ...gh, ref: "v1.2" }],
  ["https://github.com/user/repo/tree/main", { ...gh, ref: "main" }],
  ["https://github.com/user/repo/tree/HEAD", gh],
  ["https://github.com/user/repo/tree/feature%2Fx/a", { ...gh, ref: "feature/x", path: "a" }],
  ["https://github.com/user/repo/tree/main/docs/guide", { ...gh, ref: "main", path: "docs/guide" }],
  ["https://github.com/user/repo/blob/main/a%20b.ipynb", { ...gh, ref: "main", path: "a b.ipynb" }],
  ["https://github.com/user/repo/blob/main/a b.ipynb", { ...gh, ref: "main", path: "a b.ipynb" }],
  ["https://github.com/user/repo/blob/main/a.ipynb?plain=1#L3", { ...gh, ref: "main", path: "a.ipynb" }],
  [`https://github.com/user/repo/commit/${SHA}`, { ...gh, ref: SHA }],
  ["https://github.com/user/repo/releases/tag/v1.2", { ...gh, ref: "v1.2" }],
  ["https://github.com/user/repo/pull/12/files", { ...gh, ref: "refs/pull/12/head" }],
  ["user/repo/blob/main/a.ipynb", { ...gh, ref: "main", path: "a.ipynb" }],
  ["https://raw.githubusercontent.com/user/repo/main/a.ipynb", { ...gh, ref: "main", path: "a.ipynb" }],
  ["https://raw.githubusercontent.com/user/repo/refs/heads/main/a.ipynb", { ...gh, ref: "main", path: "a.ipynb" }],
  ["https://nbviewer.org/github/user/repo/blob/main/a.ipynb", { ...gh, ref: "main", path: "a.ipynb" }],
  ["https://colab.research.google.com/github/user/repo/blob/main/a.ipynb", { ...gh, ref: "main", path: "a.ipynb" }],
  ["https://mybinder.org/v2/gh/user/repo/HEAD?labpath=a%2Fb.ipynb", { ...gh, path: "a/b.ipynb", pathType: "lab" }],
  ["https://mybinder.org/v2/gh/user/repo/feature/x?urlpath=rstudio", { ...gh, ref: "feature/x", path: "rstudio", pathType: "url" }],
  ["https://hub.example/x/v2/gl/group%2Fsub%2Frepo/main?filepath=a.ipynb", { provider: "gl", repo: "group/sub/repo", ref: "main", path: "a.ipynb", pathType: "file" }],
  ["https://hub.example/v2/git/https%3A%2F%2Fexample.org%2Fr.git/HEAD", { provider: "git", repo: "https://example.org/r.git" }],
  ["https://gitlab.com/group/repo", { provider: "gl", repo: "group/repo" }],
  ["https://gitlab.com/group/sub/deep/repo.git", { provider: "gl", repo: "group/sub/deep/repo" }],
  ["https://gitlab.com/group/sub/repo/-/tree/main", { provider: "gl", repo: "group/sub/repo", ref: "main" }],
  ["https://gitlab.com/group/repo/-/blob/main/a/b.ipynb?ref_type=heads", { provider: "gl", repo: "group/repo", ref: "main", path: "a/b.ipynb" }],
  ["https://gitlab.com/group/repo/blob/main/a.ipynb", { provider: "gl", repo: "group/repo", ref: "main", path: "a.ipynb" }],
  [`https://gitlab.com/group/repo/-/commit/${SHA}`, { provider: "gl", repo: "group/repo", ref: SHA }],
  ["https://gitlab.com/group/repo/-/merge_requests/7", { provider: "gl", repo: "group/repo", ref: "refs/merge-requests/7/head" }],
  ["https://gitlab.com/group/repo/-/issues", { provider: "gl", repo: "group/repo" }],
  ["git@gitlab.com:group/sub/repo.git", { provider: "gl", repo: "group/sub/repo" }],
  ["https://example.org/some/repo.git", { provider: "git", repo: "https://example.org/some/repo.git" }],
  ["http://127.0.0.1:9418/repo.git", { provider: "git", repo: "http://127.0.0.1:9418/repo.git" }],
  ["http://localhost:3000/repo/", { provider: "git", repo: "http://localhost:3000/repo" }],
  ["https://me:secret@example.org/repo.git", { provider: "git", repo: "https://example.org/repo.git" }],
  ["ssh://git@example.org:2222/repo.git", { provider: "git", repo: "ssh://git@example.org:2222/repo.git" }],
  ["git@example.org:user/repo.git", { provider: "git", repo: "git@example.org:user/repo.git" }],
  ["https://git.example.org/group/repo/-/tree/dev/src", { provider: "git", repo: "https://git.example.org/group/repo", ref: "dev", path: "src" }],
  ["https://codeberg.org/user/repo/src/branch/main/a.ipynb", { provider: "cb", repo: "user/repo", ref: "main", path: "a.ipynb" }],
  [`https://codeberg.org/user/repo/src/commit/${SHA}`, { provider: "cb", repo: "user/repo", ref: SHA }],
  ["codeberg.org/user/repo", { provider: "cb", repo: "user/repo" }],
  ["git@codeberg.org:user/repo.git", { provider: "cb", repo: "user/repo" }],
  ["https://forge.example.org/user/repo/src/tag/v1/a.ipynb", { provider: "git", repo: "https://forge.example.org/user/repo", ref: "v1", path: "a.ipynb" }],
  ["https://bitbucket.org/user/repo/src/main/a.ipynb", { provider: "bb", repo: "user/repo", ref: "main", path: "a.ipynb" }],
  ["https://bitbucket.org/user/repo/branch/x", { provider: "bb", repo: "user/repo" }],
  ["https://me@bitbucket.org/user/repo.git", { provider: "bb", repo: "user/repo" }],
  ["https://gist.github.com/user/0123abcd", { provider: "gist", repo: "user/0123abcd" }],
  ["https://gist.github.com/user/0123abcd.git", { provider: "gist", repo: "user/0123abcd" }],
  [`https://gist.github.com/user/0123abcd/${SHA}#file-a-ipynb`, { provider: "gist", repo: "user/0123abcd", ref: SHA }],
  [`https://gist.githubusercontent.com/user/0123abcd/raw/${SHA}/a.ipynb`, { provider: "gist", repo: "user/0123abcd", ref: SHA, path: "a.ipynb" }],
  ["https://gist.github.com/0123abcd.git", { provider: "git", repo: "https://gist.github.com/0123abcd.git" }],
  ["https://nbviewer.org/gist/user/0123abcd", { provider: "gist", repo: "user/0123abcd" }],
  ["https://nbviewer.org/urls/gitlab.com/group/repo/-/raw/main/a.ipynb", { provider: "gl", repo: "group/repo", ref: "main", path: "a.ipynb" }],
  ["https://github.dev/user/repo/blob/main/a.py", { ...gh, ref: "main", path: "a.py" }],
  ["https://mybinder.org/v2/gl/group/repo/feature%2Fx", { provider: "gl", repo: "group/repo", ref: "feature/x" }],
  ["https://mybinder.org/v2/gist/user/0123abcd/HEAD", { provider: "gist", repo: "user/0123abcd" }],
  ["https://mybinder.org/v2/zenodo/10.5281/zenodo.3242074/?labpath=a.ipynb", { provider: "zenodo", repo: "10.5281/zenodo.3242074", path: "a.ipynb", pathType: "lab" }],
  ["https://mybinder.org/v2/dataverse/10.7910/DVN/TJCLKP", { provider: "dataverse", repo: "10.7910/DVN/TJCLKP" }],
  ["https://mybinder.org/v2/ckan/https%3A%2F%2Fdemo.ckan.org%2Fdataset%2Fsample", { provider: "ckan", repo: "https://demo.ckan.org/dataset/sample" }],
  ["10.5281/zenodo.3242074", { provider: "zenodo", repo: "10.5281/zenodo.3242074" }],
  ["doi:10.5281/zenodo.3242074", { provider: "zenodo", repo: "10.5281/zenodo.3242074" }],
  ["https://doi.org/10.5281/zenodo.3242074.", { provider: "zenodo", repo: "10.5281/zenodo.3242074" }],
  ["https://zenodo.org/records/3242074#.XYZ", { provider: "zenodo", repo: "10.5281/zenodo.3242074" }],
  ["zenodo.org/record/3242074/files/a.zip?download=1", { provider: "zenodo", repo: "10.5281/zenodo.3242074" }],
  ["https://zenodo.org/doi/10.5281/zenodo.3242073", { provider: "zenodo", repo: "10.5281/zenodo.3242073" }],
  ["https://doi.org/10.6084/m9.figshare.9782777.v3", { provider: "figshare", repo: "10.6084/m9.figshare.9782777.v3" }],
  ["https://figshare.com/articles/dataset/A_title_2020/9782777/3", { provider: "figshare", repo: "10.6084/m9.figshare.9782777.v3" }],
  ["https://uni.figshare.com/articles/A_title/9782777", { provider: "figshare", repo: "10.6084/m9.figshare.9782777" }],
  ["https://dataverse.harvard.edu/dataset.xhtml?persistentId=doi:10.7910/DVN/TJCLKP&version=1.0", { provider: "dataverse", repo: "10.7910/DVN/TJCLKP/v1.0" }],
  ["https://doi.org/10.7910/DVN/TJCLKP", { provider: "dataverse", repo: "10.7910/DVN/TJCLKP" }],
  ["https://doi.org/10.57745/ABC123", { provider: "dataverse", repo: "10.57745/ABC123" }],
  ["https://doi.org/10.22002/d1.1096", { provider: "zenodo", repo: "10.22002/d1.1096" }],
  [`https://www.hydroshare.org/resource/${SHA.slice(0, 32)}/`, { provider: "hydroshare", repo: SHA.slice(0, 32) }],
  ["https://demo.ckan.org/de/dataset/sample?activity_id=ab-1", { provider: "ckan", repo: "https://demo.ckan.org/de/dataset/sample/history/ab-1" }],
  ["https://demo.ckan.org/dataset/sample/resource/x", { provider: "ckan", repo: "https://demo.ckan.org/dataset/sample" }],
  ["https://osf.io/AB1c2/files/osfstorage", { provider: "osf", repo: "ab1c2" }],
  [`swh:1:dir:${SHA};origin=https://x/y`, { provider: "swh", repo: `swh:1:dir:${SHA}` }],
  [`https://archive.softwareheritage.org/swh:1:rev:${SHA};path=/x/`, { provider: "swh", repo: `swh:1:rev:${SHA}` }],
  [`https://archive.softwareheritage.org/browse/directory/${SHA}/`, { provider: "swh", repo: `swh:1:dir:${SHA}` }],
  ...[
    ["quay.io/jupyter/base-notebook"],
    ["quay.io/jupyter/base-notebook:2025-09-30"],
    [`ghcr.io/user/name@sha256:${SHA}${SHA.slice(0, 24)}`],
    ["registry.example.org:5000/team/image:1"],
    ["localhost:5000/image:1"],
    ["jupyter/base-notebook:latest"],
    ["docker pull quay.io/a/b:1", "quay.io/a/b:1"],
    ["podman pull a/b", "a/b"],
    ["docker://a/b:1", "a/b:1"],
    ["https://hub.docker.com/r/jupyter/base-notebook/tags", "docker.io/jupyter/base-notebook"],
    ["https://hub.docker.com/layers/a/b/1.2/images/sha256-0", "docker.io/a/b:1.2"],
    ["https://hub.docker.com/_/python", "docker.io/library/python"],
    ["https://quay.io/repository/jupyter/base-notebook?tab=tags&tag=latest", "quay.io/jupyter/base-notebook:latest"],
    ["https://quay.io/repository/a/b/tag/v1", "quay.io/a/b:v1"],
    ["quay.io/repository/a/b?tab=info", "quay.io/a/b"],
    ["quay.io/repository/a/b", "quay.io/a/b"],
    ["https://quay.io/a/b", "quay.io/a/b"],
    ["hub.docker.com/r/a/b", "docker.io/a/b"],
    ["https://github.com/User/repo/pkgs/container/name", "ghcr.io/user/name"],
    ["https://github.com/orgs/group/packages/container/package/a%2Fb", "ghcr.io/group/a/b"],
    ["https://github.com/users/user/packages/container/package/name", "ghcr.io/user/name"],
  ].map(([text = "", repo = text]): [string, Source] => [text, { provider: "image", repo }]),
  ["https://github.example.com/user/repo/blob/main/a.ipynb", { provider: "git", repo: "https://github.example.com/user/repo", ref: "main", path: "a.ipynb" }],
];

describe("a pasted address", () => {
  it.each(RECOGNISED)("%s", (text, source) => expect(parse(text)).toEqual(source));

  it.each(["", "   ", "repo", "two words/x", "https://github.com/user", "https://github.com/", "https://", "../etc", "javascript:alert(1)", "a/../b", "user/repo\u0000", "https://example.org"])(
    "%j names no repository",
    (text) => expect(parse(text)).toBeNull(),
  );

  it("means by a bare name what the chosen provider does", () => {
    expect(parse("group/sub/repo", "gl")).toEqual({ provider: "gl", repo: "group/sub/repo" });
    expect(parse("user/repo", "git")).toEqual(gh);
  });

  it("keeps the names of providers that are no forge as they are", () => {
    expect(parse("ab1c2", "osf")).toEqual({ provider: "osf", repo: "ab1c2" });
    expect(parse("user/repo", "cb")).toEqual({ provider: "cb", repo: "user/repo" });
    expect(parse("user/0123abcd", "gist")).toEqual({ provider: "gist", repo: "user/0123abcd" });
  });

  it("means by a name an image only where the site launches such, and the name or the choice says so", () => {
    expect(parse("a/b", "image")).toEqual({ provider: "image", repo: "a/b" });
    expect(parse("a/b")).toEqual({ provider: "gh", repo: "a/b" });
    const none = PROVIDERS.filter(({ id }) => id !== "image");
    expect(parseRepository("https://github.com/user/repo/pkgs/container/name", none, "gh")).toEqual(gh);
    expect(parseRepository("a/b:1", none, "gh")).toBeNull();
  });

  it("finds a provider by the host its detection names", () => {
    const own = PROVIDERS.map((p) => (p.id === "gl" ? { ...p, detect: { regex: "^(https?://git\\.campus\\.example/)?(?<repo>.*[^/])/?" } } : p));
    expect(Object.fromEntries(own.map((p) => [p.id, hostOf(p)]))).toMatchObject({ gh: "github.com", gl: "git.campus.example", cb: "codeberg.org", gist: "gist.github.com", git: null, zenodo: null });
    expect(parseRepository("https://git.campus.example/a/b/-/tree/main", own, "gh")).toEqual({ provider: "gl", repo: "a/b", ref: "main" });
    expect(parseRepository("https://gitlab.com/a/b", own, "gh")).toEqual({ provider: "git", repo: "https://gitlab.com/a/b" });
  });

  it("means by a DOI that tells nothing the archive that was chosen", () => {
    for (const chosen of ["zenodo", "figshare", "dataverse"]) expect(parse("10.1234/some.thing", chosen)).toEqual({ provider: chosen, repo: "10.1234/some.thing" });
    expect(parse("10.5281/zenodo.1", "dataverse")?.provider).toBe("zenodo");
  });

  it("leaves records to git's own names where a site has no such archive", () => {
    const forges = PROVIDERS.filter(({ id }) => ["gh", "gl", "git"].includes(id));
    expect(parseRepository("https://zenodo.org/records/1", forges, "gh")?.provider).toBe("git");
    expect(parseRepository("https://codeberg.org/user/repo/src/branch/main/a", forges, "gh")).toEqual({ provider: "git", repo: "https://codeberg.org/user/repo", ref: "main", path: "a" });
  });

  it("makes of everything it recognises a link that the provider's expression takes", () => {
    for (const [text] of RECOGNISED) {
      const found = parse(text);
      const provider = PROVIDERS.find(({ id }) => id === found?.provider);
      expect(provider && found && isValid(provider, { repo: found.repo, ref: found.ref ?? "", path: "", pathType: "lab" }), text).toBe(true);
    }
  });

  it("takes a repository at the top of a host for plain git, also where a provider has that host", () => {
    const own = PROVIDERS.map((p) => (p.id === "gh" ? { ...p, detect: { regex: "^(https?://127\\.0\\.0\\.1:9418/)?(?<repo>.*[^/])/?" } } : p));
    expect(parseRepository("http://127.0.0.1:9418/repo.git", own, "gh")).toEqual({ provider: "git", repo: "http://127.0.0.1:9418/repo.git" });
    expect(parseRepository("http://127.0.0.1:9418/user/repo.git", own, "gh")).toEqual(gh);
  });

  it("never keeps a password", () => {
    for (const text of ["https://me:s3cret@github.com/u/r", "https://me:s3cret@example.org/u/r", "https://s3cret@example.org/u/r", "ssh://git:s3cret@example.org/r"]) {
      expect(JSON.stringify(parse(text)), text).not.toContain("s3cret");
    }
  });
});
