/** The failure card: whose fault, what, where, what to do, and what the failed step itself wrote last. */

import { TerminalFolder, toNodes } from "./ansi";
import { duration } from "./build-model";
import type { Fault, StepOutput } from "./events";

const BY: Record<string, [string, string]> = {
  file: ["In the repository", "The repository needs a change"],
  user: ["In the link or the repository", "This cannot be opened as it is"],
  upstream: ["Outside this service", "Something we depend on did not work"],
  us: ["On our side", "Something went wrong on our side"],
};

/** What needs no mending in the repository or here, or is more than a build. */
const OF_CODE: Record<string, [string, string]> = {
  "rate-limited": ["Too many at once", "Wait a while before the next build"],
  "repository-quota": ["Too many at once", "This repository is in great demand right now"],
  "not-allowed": ["Not served", "This repository is not served here"],
  "network-banned": ["Not served", "Your network is not served here"],
  "build-token-invalid": ["In this tab", "This page has been open for too long"],
  cancelled: ["Ended by hand", "This build was stopped"],
  "launch-stopped": ["Ended by hand", "This launch was stopped"],
  "server-exited": ["In the repository", "The session did not start"],
  "server-missing": ["In the repository", "The session did not start"],
  "server-silent": ["In the repository", "The session did not start"],
  "session-out-of-memory": ["In the repository", "The session did not start"],
};

export function showFailure(root: ParentNode, failure: Fault & { message: string }, buildLogUrl: string | undefined, retryAfter?: number): void {
  const card = root.querySelector<HTMLElement>("#failure");
  if (!card) return;
  const by = BY[failure.by === "user" && failure.file ? "file" : (failure.by ?? "")];
  const [eyebrow, title] = OF_CODE[failure.code ?? ""] ?? by ?? ["Failed", "This launch failed"];
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
    if (retryAfter) countDown(retry, retryAfter);
  }
  const log = root.querySelector<HTMLAnchorElement>("#failure-log");
  const url = webUrl(failure.log_url ?? buildLogUrl);
  if (log && url) log.href = url;
  if (log) log.hidden = !url;
  showOutput(root, failure.output);
  card.hidden = false;
}

/** Says on the button how long it is too early for it. It can be pressed all the same. */
function countDown(button: HTMLElement, seconds: number): void {
  const until = Date.now() + seconds * 1000;
  const wait = document.createElement("span");
  wait.className = "wait";
  button.append(wait);
  const tick = (): void => {
    const left = Math.ceil((until - Date.now()) / 1000);
    wait.textContent = left > 0 ? ` in ${duration(left * 1000).replace(/\.0 s$/, " s")}` : "";
    if (left <= 0) clearInterval(timer);
  };
  const timer = setInterval(tick, 1000);
  tick();
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
  element.replaceChildren(...words(text));
  if (selector !== "#failure-by") element.hidden = text === "";
}

/** Text, with what stands between backticks as code. */
function words(text: string): (Node | string)[] {
  return text.split(/`([^`\n]+)`/).map((part, at) => {
    if (at % 2 === 0) return part;
    const code = document.createElement("code");
    code.textContent = part;
    return code;
  });
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
