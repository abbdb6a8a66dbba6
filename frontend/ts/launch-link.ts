/** Launch links and badges for a repository. */

import type { Provider } from "./page-config";
import type { PathType } from "./repo-url";

export interface Wanted {
  repo: string;
  ref: string;
  path: string;
  pathType: PathType;
  /** The day whose packages are wanted, or `commit` for the commit's; today's when empty. */
  asOf?: string;
}

const PARAMETER: Record<PathType, string> = { lab: "labpath", file: "filepath", url: "urlpath" };

/** `v2/<provider>/<spec>?<path>&as_of=<day>`, relative to the base; `null` while there is no repository. */
export function launchPath(provider: Provider, wanted: Wanted): string | null {
  const repo = wanted.repo.trim().replace(/\/+$/, "");
  if (!repo) return null;
  const parts = [provider.id, provider.repo.urlEncode ? encode(repo) : encodeSteps(repo)];
  if (provider.ref.enabled) parts.push(encodeSteps(wanted.ref.trim() || provider.ref.default || "HEAD"));
  const path = wanted.path.trim();
  const query = path ? [`${PARAMETER[wanted.pathType]}=${encodeSteps(path)}`] : [];
  const asOf = wanted.asOf?.trim();
  if (asOf) query.push(`as_of=${encode(asOf)}`);
  return `v2/${parts.join("/")}${query.length > 0 ? `?${query.join("&")}` : ""}`;
}

/** Whether the server would take this specification, by the provider's own expression. */
export function isValid(provider: Provider, wanted: Wanted): boolean {
  const path = launchPath(provider, wanted);
  if (path === null) return false;
  const spec = path.slice(`v2/${provider.id}/`.length).split("?")[0] ?? "";
  try {
    return !provider.spec || new RegExp(`^(?:${provider.spec.validateRegex})$`).test(spec);
  } catch {
    return true;
  }
}

export interface Badges {
  markdown: string;
  rst: string;
  html: string;
}

/** @param base in full, with a final slash */
export function badges(base: string, url: string): Badges {
  const image = `${base}badge_logo.svg`;
  return {
    markdown: `[![Bindery](${image})](${url})`,
    rst: `.. image:: ${image}\n   :alt: Bindery\n   :target: ${url}`,
    html: `<a href="${escapeHtml(url)}"><img src="${escapeHtml(image)}" alt="Bindery"></a>`,
  };
}

/** Brackets and quotes too: they would end a link in Markdown. A final underscore would be a reference in rST. */
function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed())
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replace(/_$/, "%5F");
}

function encodeSteps(text: string): string {
  return text.split("/").map(encode).join("/");
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
