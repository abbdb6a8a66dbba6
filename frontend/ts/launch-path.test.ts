import { describe, expect, it } from "vitest";
import { destination, readLaunchQuery, relativePath } from "./launch-path";

const SESSION = "http://127.0.0.1:8586/user/repo-x1/";

function open(search: string, token = "T", session = SESSION) {
  return destination(session, readLaunchQuery(search), token);
}

describe("paths as BinderHub has them", () => {
  it.each([
    ["", `${SESSION}?token=T`],
    ["?labpath=index.ipynb", `${SESSION}doc/tree/index.ipynb?token=T`],
    ["?labpath=notebooks%2Fa%20b.ipynb", `${SESSION}doc/tree/notebooks/a%20b.ipynb?token=T`],
    ["?labpath=/notebooks/", `${SESSION}doc/tree/notebooks?token=T`],
    ["?filepath=index.ipynb", `${SESSION}tree/index.ipynb?token=T`],
    ["?filepath=caf%C3%A9.ipynb", `${SESSION}tree/caf%C3%A9.ipynb?token=T`],
    ["?urlpath=lab/tree/index.ipynb", `${SESSION}lab/tree/index.ipynb?token=T`],
    ["?urlpath=%2Flab%2Ftree%2Findex.ipynb", `${SESSION}lab/tree/index.ipynb?token=T`],
    ["?urlpath=/doc/tree/a:b.ipynb", `${SESSION}doc/tree/a:b.ipynb?token=T`],
    // Added to a link that has a query already.
    ["?as_of=2021-03-01?urlpath=lab%2Ftree%2Findex.ipynb", `${SESSION}lab/tree/index.ipynb?token=T`],
    ["?as_of=commit?labpath=a.ipynb&x=1", `${SESSION}doc/tree/a.ipynb?token=T`],
    ["?urlpath=git-pull?as=1&as_of=2021-03-01", `${SESSION}git-pull?as=1&token=T`],
    ["?urlpath=rstudio", `${SESSION}rstudio?token=T`],
    ["?urlpath=lab%3Freset", `${SESSION}lab?reset&token=T`],
    ["?urlpath=lab%3Freset%23cell-1", `${SESSION}lab?reset&token=T#cell-1`],
    ["?labpath=a.ipynb%23Part-2", `${SESSION}doc/tree/a.ipynb?token=T#Part-2`],
    [
      "?urlpath=git-pull%3Frepo%3Dhttps%253A%252F%252Fgithub.com%252Fa%252Fb%26urlpath%3Dlab%252Ftree%252Fb",
      `${SESSION}git-pull?repo=https%3A%2F%2Fgithub.com%2Fa%2Fb&urlpath=lab%2Ftree%2Fb&token=T`,
    ],
    ["?labpath=a.ipynb&filepath=b.ipynb&urlpath=c", `${SESSION}doc/tree/a.ipynb?token=T`],
    ["?filepath=b.ipynb&urlpath=c", `${SESSION}tree/b.ipynb?token=T`],
    ["?labpath=100%25.ipynb", `${SESSION}doc/tree/100%25.ipynb?token=T`],
    ["?labpath=.hidden/..a/a...ipynb", `${SESSION}doc/tree/.hidden/..a/a...ipynb?token=T`],
  ])("%s", (search, href) => {
    expect(open(search)).toEqual({ href, refused: false });
  });

  it("adds no empty token", () => {
    expect(destination(SESSION, { urlpath: "lab" }).href).toBe(`${SESSION}lab`);
    expect(open("?urlpath=lab", "").href).toBe(`${SESSION}lab`);
  });

  it("writes a token with special characters so that it arrives whole", () => {
    expect(new URL(open("", "a+b&c=d#e").href).searchParams.get("token")).toBe("a+b&c=d#e");
  });

  it("lets no link bring its own token", () => {
    expect(open("?urlpath=lab%3Ftoken%3Devil%26x%3D1%26%2574oken%3Devil").href).toBe(`${SESSION}lab?x=1&token=T`);
  });

  it("takes a session address without its final slash", () => {
    expect(open("?urlpath=lab", "T", SESSION.slice(0, -1)).href).toBe(`${SESSION}lab?token=T`);
  });

  it("refuses a session address that is no web address", () => {
    for (const url of ["javascript:alert(1)//", "data:text/html,x", "/user/x/", "", "ftp://h/"]) {
      expect(() => destination(url, {}, "T"), url).toThrow(TypeError);
    }
  });

  it("survives text that is no valid Unicode", () => {
    expect(relativePath({ labpath: "\ud800.ipynb" })).toBe("doc/tree/%EF%BF%BD.ipynb");
  });
});

/** What strangers may write, decoded; each would leave the session in some URL parser. */
const HOSTILE = [
  "https://evil.example/",
  "http://evil.example",
  "HTTPS://evil.example",
  "https:evil.example",
  "https:/evil.example",
  "https:\\\\evil.example",
  "//evil.example/",
  "///evil.example/",
  "////evil.example",
  "\\\\evil.example",
  "\\/evil.example",
  "/\\evil.example",
  "//\\evil.example",
  "/\\/evil.example",
  "\\evil.example",
  "lab\\..\\..\\evil",
  " https://evil.example",
  "\thttps://evil.example",
  "\nhttps://evil.example",
  "ht\ttps://evil.example",
  "ht\ntps://evil.example",
  "/\t/evil.example",
  "/\n/evil.example",
  "/\r/evil.example",
  "\u0000//evil.example",
  "\u0001https://evil.example",
  "\u007f//evil.example",
  "\u0085//evil.example",
  "\u00a0https://evil.example",
  "\u3000//evil.example",
  "\ufeffhttps://evil.example",
  "javascript:alert(1)",
  "JaVaScRiPt:alert(1)",
  "java\nscript:alert(1)",
  "\u0001javascript:alert(1)",
  "javascript://%0aalert(1)",
  "data:text/html,<script>alert(1)</script>",
  "vbscript:msgbox(1)",
  "blob:https://evil.example/x",
  "file:///etc/passwd",
  "view-source:https://evil.example",
  "mailto:x@evil.example",
  "@evil.example",
  "user:pass@evil.example",
  ":80@evil.example",
  ".evil.example",
  "%2f%2fevil.example",
  "%2F%2Fevil.example",
  "%252f%252fevil.example",
  "%5c%5cevil.example",
  "%5Cevil.example",
  "%09//evil.example",
  "..//evil.example",
  ".//evil.example",
  "../other-session/lab",
  "../../",
  "lab/../../other-session/",
  "%2e%2e/other-session/",
  "%2E./other-session/",
  ".%2e/other-session/",
  "%252e%252e/other-session/",
  "lab/%2e%2e/%2e%2e/other-session/",
  "..%2fother-session",
  "lab%2f..%2f..%2fother-session",
  "..%5cother-session",
  "..;/other-session",
  "?next=//evil.example",
  "#//evil.example",
  "//evil.example%2f..",
  "//evil.example\\@127.0.0.1:8586",
  "//127.0.0.1:8586@evil.example/",
  "//[::1]/",
  "//0x7f.1/",
  "https://127.0.0.1:8586.evil.example/",
  "http://127.0.0.1:8586/user/other/",
  "／／evil.example",
  "。。/evil",
  "︰//evil.example",
  "<script>alert(1)</script>",
  "\" onload=\"alert(1)",
];

describe("the token never leaves the session", () => {
  const base = new URL(SESSION);

  it.each(HOSTILE)("%j as urlpath, labpath and filepath", (path) => {
    for (const key of ["urlpath", "labpath", "filepath"] as const) {
      for (const prefix of ["", "/", "//"]) {
        const { href } = destination(SESSION, { [key]: prefix + path }, "T");
        const url = new URL(href);
        expect(url.origin, key).toBe(base.origin);
        expect(url.username + url.password, key).toBe("");
        expect(url.pathname.startsWith(base.pathname), `${key}: ${href}`).toBe(true);
        const decoded = fullyDecoded(url.pathname.slice(base.pathname.length));
        expect(decoded.split(/[/\\]/), `${key}: ${href}`).not.toContain("..");
      }
    }
  });

  it("opens the session's start page instead, and says so", () => {
    for (const path of ["https://evil.example/", "\\\\evil.example", "../other/", "%2e%2e/x", "javascript:alert(1)"]) {
      expect(open(`?urlpath=${encodeURIComponent(path)}`), path).toEqual({ href: `${SESSION}?token=T`, refused: true });
    }
  });

  it("holds for random mixtures of the dangerous parts", () => {
    const parts = ["/", "\\", "..", ".", "%2e", "%2f", "%5c", ":", "@", "evil.example", "\t", "\n", "http", "https:", "?", "#", " ", "%25", "\u0000", "x"];
    let seed = 7;
    const next = () => (seed = (seed * 48271) % 2147483647);
    for (let i = 0; i < 20000; i++) {
      const path = Array.from({ length: 1 + (next() % 8) }, () => parts[next() % parts.length]).join("");
      const url = new URL(destination(SESSION, { urlpath: path }, "T").href);
      expect(url.origin === base.origin && url.pathname.startsWith(base.pathname), JSON.stringify(path)).toBe(true);
      expect(fullyDecoded(url.pathname).split(/[/\\]/).includes(".."), JSON.stringify(path)).toBe(false);
    }
  });
});

function fullyDecoded(text: string): string {
  for (let i = 0; i < 6; i++) text = text.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  return text;
}
