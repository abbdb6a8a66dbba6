import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NotebookPreview, notebookOf } from "./notebook-preview";

customElements.define("notebook-preview", NotebookPreview);

let preview: NotebookPreview;
beforeEach(() => {
  document.body.innerHTML = "<notebook-preview hidden></notebook-preview>";
  preview = document.querySelector("notebook-preview") as NotebookPreview;
});
afterEach(() => document.body.replaceChildren());

const p = (...children: unknown[]) => ({ tag: "p", children });

describe("a notebook's preview", () => {
  it("shows its text, its code and what it printed", () => {
    preview.show({
      path: "dir/index.ipynb",
      cells: [
        { kind: "markdown", nodes: [{ tag: "h3", children: ["A title"] }, p("with ", { tag: "a", href: "https://example.org/", children: ["a link"] })] },
        { kind: "code", text: "1 < 2", outputs: ["\u001b[32mTrue\u001b[0m", "10%\r100%"] },
      ],
    });
    expect(preview.hidden).toBe(false);
    expect(preview.querySelector("h2")?.textContent).toBe("While you wait: dir/index.ipynb");
    expect(preview.querySelector("h3")?.textContent).toBe("A title");
    expect(preview.querySelector("a")?.href).toBe("https://example.org/");
    expect(preview.querySelector("a")?.rel).toContain("noreferrer");
    expect([...preview.querySelectorAll("pre")].map((one) => one.textContent)).toEqual(["1 < 2", "True", "100%"]);
    expect(preview.querySelector(".ansi-fg-2")?.textContent).toBe("True");
    expect(preview.querySelector(".note")).toBeNull();
  });

  it("says that there is more where it was cut", () => {
    preview.show({ path: "a.ipynb", cut: true, cells: [{ kind: "code", text: "x", outputs: [] }] });
    expect(preview.querySelector(".note")?.textContent).toBe("There is more in the notebook itself.");
  });

  it("makes no element that is not on its list, and no link that is not to the web", () => {
    const hostile = ["script", "img", "iframe", "style", "svg", "form", "input", "object", "link", "meta", "base", "SCRIPT"];
    preview.show({
      path: "<img src=x onerror=alert(1)>",
      cells: [
        { kind: "markdown", nodes: hostile.map((tag) => ({ tag, href: "https://evil.example/", src: "x", onerror: "alert(1)", children: [`${tag}!`] })) },
        { kind: "markdown", nodes: ["javascript:alert(1)", "data:text/html,x", "//evil.example", "", null].map((href) => ({ tag: "a", href, onclick: "x", children: ["text"] })) },
        { kind: "code", text: "<script>alert(1)</script>", outputs: ["<img src=x onerror=alert(1)>", 3] },
        { kind: "html", text: "<b>" },
        null,
      ],
    });
    expect([...preview.querySelectorAll("*")].map((one) => one.localName).filter((name) => !["h2", "code", "div", "pre"].includes(name))).toEqual([]);
    expect(preview.textContent).toContain("script!");
    for (const one of preview.querySelectorAll("*")) for (const { name } of one.attributes) expect(["id", "class", "role", "tabindex", "aria-labelledby"]).toContain(name);
  });

  it("stays away where there is nothing to show", () => {
    for (const answer of [null, "x", [], {}, { cells: [] }, { cells: [{ kind: "markdown", nodes: [" "] }, { kind: "code", text: "\n", outputs: [" "] }] }]) {
      preview.show(answer);
      expect(preview.hidden, JSON.stringify(answer)).toBe(true);
    }
  });

  it("survives elements without an end", () => {
    let node: unknown = "x";
    for (let depth = 0; depth < 5000; depth++) node = { tag: "blockquote", children: [node] };
    preview.show({ path: "a.ipynb", cells: [{ kind: "markdown", nodes: ["y", node] }] });
    expect(preview.querySelectorAll("blockquote").length).toBeLessThan(50);
  });
});

describe("the notebook that a link opens", () => {
  it.each([
    ["?labpath=a%20b.ipynb", "a b.ipynb"],
    ["?filepath=/dir/x.ipynb", "dir/x.ipynb"],
    ["?urlpath=lab/tree/dir/x.ipynb", "dir/x.ipynb"],
    ["?urlpath=%2Flab%2Ftree%2Fa%2520b.ipynb%3Freset", "a b.ipynb"],
    ["?urlpath=doc/tree/x.ipynb", "x.ipynb"],
    ["?urlpath=lab/workspaces/auto-1/tree/x.ipynb", "x.ipynb"],
    ["?urlpath=notebooks/x.ipynb", "x.ipynb"],
    ["?urlpath=tree/x.ipynb#c", "x.ipynb"],
    ["?urlpath=voila/render/x.ipynb", "x.ipynb"],
  ])("%s is %s", (search, path) => expect(notebookOf(search)).toBe(path));

  it.each(["", "?labpath=x.py", "?urlpath=rstudio", "?urlpath=git-pull%3Furlpath%3Dlab/tree/x.ipynb", "?urlpath=lab/tree/%25E0.ipynb", "?labpath=.ipynb/"])("%s is none, or not found", (search) => {
    const found = notebookOf(search);
    expect(found === undefined || found === ".ipynb").toBe(true);
  });
});
