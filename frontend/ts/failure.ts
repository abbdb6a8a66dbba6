/** The failure card: whose fault, what, where, what to do, and what the failed step itself wrote last. */

import { TerminalFolder, toNodes } from "./ansi";
import type { Fault, StepOutput } from "./events";

const BY: Record<string, [string, string]> = {
  file: ["In the repository", "The repository needs a change"],
  user: ["In the link or the repository", "This cannot be opened as it is"],
  upstream: ["Outside this service", "Something we depend on did not work"],
  us: ["On our side", "Something went wrong on our side"],
};

export function showFailure(root: ParentNode, failure: Fault & { message: string }, buildLogUrl: string | undefined): void {
  const card = root.querySelector<HTMLElement>("#failure");
  if (!card) return;
  const [eyebrow, title] = BY[failure.by === "user" && failure.file ? "file" : (failure.by ?? "")] ?? ["Failed", "This launch failed"];
  fill(root, "#failure-by", eyebrow);
  fill(root, "#failure-title", title);
  fill(root, "#failure-message", failure.message);
  const where = failure.file ? `${failure.file}${failure.line ? `, line ${failure.line}` : ""}` : "";
  fill(root, "#failure-where", where);
  fill(root, "#failure-hint", failure.hint ?? "");
  const retry = root.querySelector<HTMLElement>("#btn-retry");
  if (retry) {
    // Trying the same again helps only where the cause is not in the repository.
    retry.textContent = failure.retry === false && failure.file && failure.by === "user" ? "Try again after a change" : "Try again";
    retry.classList.toggle("primary", failure.retry !== false);
  }
  const log = root.querySelector<HTMLAnchorElement>("#failure-log");
  const url = webUrl(failure.log_url ?? buildLogUrl);
  if (log && url) log.href = url;
  if (log) log.hidden = !url;
  showOutput(root, failure.output);
  card.hidden = false;
}

function showOutput(root: ParentNode, output: StepOutput | undefined): void {
  const box = root.querySelector<HTMLElement>("#failure-output");
  const lines = box?.querySelector(".lines");
  if (!box || !lines) return;
  box.hidden = !output;
  lines.replaceChildren(...(output?.lines ?? []).map(lineElement));
  fill(root, "#failure-step", output?.name ? `Last lines of \u201c${output.name}\u201d` : "Last lines of the step");
}

/** Each line on its own: a colour that a cut line leaves open must not run into the next. */
function lineElement(line: string): HTMLElement {
  const element = document.createElement("div");
  element.className = "line";
  const folder = new TerminalFolder();
  const [shown = []] = folder.write(`${line.replace(/[\r\n]+$/, "")}\n`);
  element.append(...toNodes(shown));
  if (shown.length === 0) element.append("\n");
  return element;
}

function fill(root: ParentNode, selector: string, text: string): void {
  const element = root.querySelector<HTMLElement>(selector);
  if (!element) return;
  element.textContent = text;
  if (selector !== "#failure-by") element.hidden = text === "";
}

/** Only what a browser fetches may become a link, never what it runs. */
function webUrl(url: string | undefined): string | null {
  if (!url) return null;
  try {
    const full = new URL(url, document.baseURI);
    return full.protocol === "http:" || full.protocol === "https:" ? full.href : null;
  } catch {
    return null;
  }
}
