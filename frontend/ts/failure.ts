/** The failure card: whose fault, what, where, and what to do. */

import type { Fault } from "./events";

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
    retry.textContent = failure.retry === false && failure.file ? "Try again after a change" : "Try again";
    retry.classList.toggle("primary", failure.retry !== false);
  }
  const log = root.querySelector<HTMLAnchorElement>("#failure-log");
  const url = webUrl(failure.log_url ?? buildLogUrl);
  if (log && url) log.href = url;
  if (log) log.hidden = !url;
  card.hidden = false;
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
