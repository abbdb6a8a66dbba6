/** `<notebook-preview>`: the notebook a link opens, to be read while its session is made. Text and a few elements, made one by one. */

import { TerminalFolder, toNodes } from "./ansi";

/** What a notebook may hold; anything else is told as the text in it. */
const TAGS = new Set(["p", "h3", "h4", "h5", "h6", "blockquote", "pre", "ul", "ol", "li", "table", "tr", "td", "em", "strong", "del", "a", "code", "br", "hr"]);
/** Elements deeper than this are told as their text. */
const DEPTH = 40;

export class NotebookPreview extends HTMLElement {
  /** Shows what `/builds/<id>/notebook` answered; nothing where that is no notebook, or one without a word in it. */
  show(answer: unknown): void {
    const notebook = object(answer);
    const cells = list(notebook?.cells).flatMap(cellElements);
    if (!notebook || cells.length === 0) return;
    const title = document.createElement("h2");
    title.id = "notebook-title";
    title.append("While you wait: ", element("code", text(notebook.path)));
    const body = element("div", ...cells);
    body.className = "notebook";
    body.tabIndex = 0;
    body.setAttribute("role", "region");
    body.setAttribute("aria-labelledby", title.id);
    if (notebook.cut === true) {
      const more = element("p", "There is more in the notebook itself.");
      more.className = "note";
      body.append(more);
    }
    this.replaceChildren(title, body);
    this.hidden = false;
  }
}

/** The notebook that a launch link opens, by its path in the repository. */
export function notebookOf(search: string): string | undefined {
  const query = new URLSearchParams(search);
  const path = query.get("labpath") || query.get("filepath") || ofUrl(query.get("urlpath") ?? "");
  const plain = path.replace(/^\/+/, "").replace(/\/$/, "");
  return plain.endsWith(".ipynb") ? plain : undefined;
}

/** What a path of the server names: `lab/tree/x.ipynb`, `notebooks/x.ipynb` and the like. */
function ofUrl(urlpath: string): string {
  const [path = ""] = urlpath.split(/[?#]/);
  const found = /^\/*(?:(?:lab|doc)(?:\/workspaces\/[^/]+)?\/tree|tree|notebooks|voila\/render)\/(.+)$/.exec(path)?.[1];
  try {
    return decodeURIComponent(found ?? "");
  } catch {
    return "";
  }
}

function cellElements(raw: unknown): HTMLElement[] {
  const cell = object(raw);
  if (cell?.kind === "markdown") {
    const words = element("div", ...list(cell.nodes).flatMap((node) => toElement(node, 0)));
    words.className = "words";
    return words.textContent?.trim() ? [words] : [];
  }
  if (cell?.kind !== "code") return [];
  const outputs = list(cell.outputs).map(text).filter((one) => one.trim() !== "");
  const parts: HTMLElement[] = [];
  if (text(cell.text).trim()) {
    const code = element("pre", element("code", text(cell.text)));
    code.className = "cell";
    parts.push(code);
  }
  for (const output of outputs) {
    const printed = element("pre", ...terminal(output));
    printed.className = "output";
    parts.push(printed);
  }
  return parts;
}

/** What a terminal would show of it, colours and all. */
function terminal(output: string): Node[] {
  const folder = new TerminalFolder();
  const lines = [...folder.write(output), folder.current];
  return lines.flatMap((line, at) => [...(at > 0 ? [document.createTextNode("\n")] : []), ...toNodes(line)]);
}

function toElement(node: unknown, depth: number): Node[] {
  if (typeof node === "string") return [document.createTextNode(node)];
  const given = object(node);
  if (!given) return [];
  const children = depth > DEPTH ? [] : list(given.children).flatMap((child) => toElement(child, depth + 1));
  const tag = text(given.tag);
  if (!TAGS.has(tag)) return children;
  const made = element(tag, ...children);
  if (made instanceof HTMLAnchorElement) {
    const href = text(given.href);
    if (!/^https?:\/\//i.test(href)) return children;
    made.href = href;
    made.rel = "noreferrer noopener";
    // The page itself has a session to wait for.
    made.target = "_blank";
  }
  return [made];
}

function element(tag: string, ...children: (Node | string)[]): HTMLElement {
  const made = document.createElement(tag);
  made.append(...children);
  return made;
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const object = (value: unknown): Record<string, unknown> | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
