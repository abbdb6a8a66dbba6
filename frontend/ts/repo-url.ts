/** What someone pasted, taken apart: a clone address, the address of a branch, a folder or a file in a forge, or a published record. */

import { linkQuery } from "./launch-path";
import { ARCHIVES, type Record as Archived, recordAt, recordNamed } from "./archive-url";
import { imageAt, imageNamed, REGISTRY_PAGES } from "./image-name";
import type { Provider } from "./page-config";

export interface Source {
  /** A provider's id. */
  provider: string;
  /** As this provider names repositories: `user/repo`, `group/sub/repo`, a whole URL, a DOI. */
  repo: string;
  ref?: string;
  path?: string;
  /** What `path` is; a file when missing. */
  pathType?: PathType;
  /** The day whose packages are wanted. */
  asOf?: string;
}

export type PathType = "lab" | "file" | "url";

interface Found {
  repo: string[];
  ref?: string | undefined;
  path?: string[];
}

/**
 * The parts of `text`, or `null` when it names no repository.
 *
 * @param selected the provider chosen in the form, which decides what a bare `user/repo` means
 */
export function parseRepository(text: string, providers: Provider[], selected: string): Source | null {
  const input = text.trim().replace(/^git\+(?=\w+:\/\/)/, "");
  if (!input || /[\u0000-\u001f\u007f]/.test(input)) return null;
  const named = known(recordNamed(input, selected) ?? imageNamed(input, selected), providers);
  if (named) return named;
  const url = asUrl(input, providers);
  if (url) return fromUrl(url, providers, selected);
  // Only an address, as some programs copy it, may have a space in a file's name.
  if (/\s/.test(input)) return null;
  const scp = /^(?:([\w.-]+)@)?([\w.-]+\.[a-z]+):(?!\/\/)(.+)$/i.exec(input);
  if (scp) return fromScp(input, scp[2] ?? "", scp[3] ?? "", providers);
  return fromName(input, providers, selected);
}

/** An address with a scheme, or one that starts with the host of a forge we know. */
function asUrl(input: string, providers: Provider[]): URL | null {
  const scheme = /^(https?|ssh|git):\/\//i.test(input);
  const first = input.split("/")[0]?.toLowerCase() ?? "";
  const familiar = providers.some((provider) => hostOf(provider) === first) || MIRRORS[first] !== undefined || [...ARCHIVES, ...REGISTRY_PAGES].includes(first);
  if (!scheme && !familiar) return null;
  try {
    const url = new URL(scheme ? input : `https://${input}`);
    return url.hostname ? url : null;
  } catch {
    return null;
  }
}

/** A record, if this site has its archive. */
function known(record: Archived | null, providers: Provider[]): Source | null {
  return record && providers.some(({ id }) => id === record.provider) ? { ...record } : null;
}

function fromUrl(url: URL, providers: Provider[], selected: string): Source | null {
  const steps = url.pathname.split("/").filter(Boolean);
  const launch = fromLaunchLink(url, steps, providers);
  if (launch) return launch;
  const image = known(imageAt(url), providers);
  if (image) return image;
  const host = url.host.toLowerCase();
  const mirrored = MIRRORS[host]?.(steps);
  if (mirrored && URL.canParse(mirrored)) return fromUrl(new URL(mirrored), providers, selected);
  const provider = providers.find((candidate) => candidate.repo && hostOf(candidate) === host.replace(/^www\./, ""));
  if (provider) {
    const found = inForge(provider, steps);
    if (found.repo.length >= 2) return source(provider, found);
    // A gist may be named without its author, but not in a link of its provider.
    if (provider.id === "gist") return anyHost(url, steps, providers);
    // A forge has no repository at its top, but a plain git server at the same host may.
    return steps[0]?.endsWith(".git") ? anyHost(url, steps, providers) : null;
  }
  return known(recordAt(url, selected), providers) ?? anyHost(url, steps, providers);
}

/** The parts of a path, as the forge behind a provider writes them. */
function inForge(provider: Provider, steps: string[]): Found {
  switch (provider.id) {
    case "gl":
      return gitlab(steps);
    case "cb":
      return forgejo(steps) ?? github(steps);
    case "bb":
      return bitbucket("bitbucket.org", steps) ?? { repo: steps.slice(0, 2) };
    case "gist":
      return gist(steps);
    default:
      return gitlabDash(steps) ?? github(steps);
  }
}

/** A forge we have no provider for: recognised by how it writes paths, cloned by its address. */
function anyHost(url: URL, steps: string[], providers: Provider[]): Source | null {
  const git = providers.find((provider) => provider.id === "git");
  if (!git || steps.length === 0) return null;
  const web = url.protocol === "http:" || url.protocol === "https:";
  const found = (web && (gitlabDash(steps) ?? forgejo(steps) ?? bitbucket(url.hostname, steps) ?? githubLike(steps))) || null;
  const clone = new URL(url.href);
  clone.search = "";
  clone.hash = "";
  clone.password = "";
  // A user name in a web address is a credential; in an SSH address it is part of the place.
  if (web) clone.username = "";
  if (found) clone.pathname = `/${found.repo.join("/")}`;
  const address = clone.href.replace(/\/+$/, "");
  return source(git, { ...(found ?? {}), repo: [address] });
}

/** `git@host:path`. */
function fromScp(input: string, host: string, path: string, providers: Provider[]): Source | null {
  const provider = providers.find((candidate) => hostOf(candidate) === host.toLowerCase());
  const repo = path.split("/").filter(Boolean);
  if (provider && repo.length >= 2) return source(provider, { repo });
  const git = providers.find((candidate) => candidate.id === "git");
  return git ? source(git, { repo: [input] }) : null;
}

/** `user/repo`, `user/repo@ref`, `user/repo/tree/ref/path`. */
function fromName(input: string, providers: Provider[], selected: string): Source | null {
  const chosen = providers.find((provider) => provider.id === selected) ?? providers[0];
  // Another provider than a forge's has its own names (a DOI, an id): they are what they are.
  if (chosen && !["gh", "gl", "cb", "bb", "gist", "git"].includes(chosen.id)) return { provider: chosen.id, repo: input };
  const provider = chosen?.id === "git" ? providers.find((candidate) => candidate.id === "gh") : chosen;
  const [name = "", ref] = input.split(/@(.*)/s);
  const steps = name.split("/").filter(Boolean).map(decode);
  if (!provider || steps.length < 2 || !steps.every((step) => /^[\w.~+-]+$/.test(step)) || /\.\.|^\.$/.test(name)) return null;
  const found = inForge(provider, steps);
  return source(provider, ref ? { ...found, ref } : found);
}

/** Another Binder's link: `https://host/v2/gh/user/repo/ref?labpath=...`. */
function fromLaunchLink(url: URL, steps: string[], providers: Provider[]): Source | null {
  const at = steps.indexOf("v2");
  const provider = at < 0 ? undefined : providers.find((candidate) => candidate.id === steps[at + 1]);
  if (!provider) return null;
  const spec = steps.slice(at + 2);
  const size = sizeOf(provider, spec);
  if (spec.length < size || size < 1) return null;
  const found: Source = { provider: provider.id, repo: spec.slice(0, size).map(decode).join("/") };
  const ref = spec.slice(size).map(decode).join("/");
  if (ref && ref !== provider.ref.default) found.ref = ref;
  const query = linkQuery(url.search);
  const asOf = query.get("as_of");
  if (asOf) found.asOf = asOf;
  for (const [key, pathType] of [["labpath", "lab"], ["filepath", "file"], ["urlpath", "url"]] as const) {
    const path = query.get(key);
    if (path) return { ...found, path, pathType };
  }
  return found;
}

/** How many steps of a launch link are the repository. */
function sizeOf(provider: Provider, spec: string[]): number {
  // A record has no ref; its DOI has a slash or more.
  if (!provider.ref.enabled) return spec.length;
  // Some programs leave the slashes of a namespace as they are; the last step is then the ref.
  if (provider.id === "gl" && !/%2f/i.test(spec[0] ?? "")) return spec.length - 1;
  return provider.repo.urlEncode ? 1 : 2;
}

function github(steps: string[]): Found {
  const [user = "", name = "", kind = "", ...rest] = steps;
  const repo = name ? [user, name] : [user];
  if (["tree", "blob", "raw", "blame", "edit", "commits"].includes(kind)) return refAndPath(repo, rest);
  if (kind === "commit") return { repo, ref: rest[0] };
  if (kind === "releases" && rest[0] === "tag") return { repo, ref: rest.slice(1).join("/") };
  if (kind === "pull" && /^\d+$/.test(rest[0] ?? "")) return { repo, ref: `refs/pull/${rest[0]}/head` };
  return { repo };
}

/** GitHub's paths on another host, such as a company's own. */
function githubLike(steps: string[]): Found | null {
  return ["tree", "blob"].includes(steps[2] ?? "") && steps.length > 3 ? github(steps) : null;
}

/** Namespaces may be nested, so everything before `/-/` is the repository. */
function gitlab(steps: string[]): Found {
  const old = steps.findIndex((step, at) => at >= 2 && ["tree", "blob", "raw"].includes(step));
  return gitlabDash(steps) ?? (old < 0 ? { repo: steps } : refAndPath(steps.slice(0, old), steps.slice(old + 1)));
}

function gitlabDash(steps: string[]): Found | null {
  const dash = steps.indexOf("-");
  if (dash < 2) return null;
  const repo = steps.slice(0, dash);
  const [kind = "", ...rest] = steps.slice(dash + 1);
  if (["tree", "blob", "raw", "blame", "edit", "commits"].includes(kind)) return refAndPath(repo, rest);
  if (kind === "commit" || kind === "tags") return { repo, ref: rest.join("/") };
  if (kind === "merge_requests" && /^\d+$/.test(rest[0] ?? "")) return { repo, ref: `refs/merge-requests/${rest[0]}/head` };
  return { repo };
}

function forgejo(steps: string[]): Found | null {
  const [user = "", name = "", kind, what, ...rest] = steps;
  if (!["src", "raw"].includes(kind ?? "") || !["branch", "commit", "tag"].includes(what ?? "")) return null;
  return refAndPath([user, name], rest);
}

function bitbucket(host: string, steps: string[]): Found | null {
  const [user = "", name = "", kind, ...rest] = steps;
  return host === "bitbucket.org" && kind === "src" && rest.length > 0 ? refAndPath([user, name], rest) : null;
}

/** `user/id`, `user/id/<commit>`, `user/id/raw/<commit>/<file>`. */
function gist(steps: string[]): Found {
  const [user = "", id = "", ...rest] = steps;
  if (!/^[0-9a-f]+$/i.test(id.replace(/\.git$/, ""))) return { repo: steps.slice(0, 1) };
  const [ref, ...path] = rest[0] === "raw" ? rest.slice(1) : rest;
  return { repo: [user, id], ref: /^[0-9a-f]{40}$/.test(ref ?? "") ? ref : undefined, path };
}

/** Pages that show files of elsewhere: where that is. */
const MIRRORS: Record<string, (steps: string[]) => string | null> = {
  "raw.githubusercontent.com": ([user = "", name = "", ...rest]) => {
    const named = rest[0] === "refs" ? rest.slice(2) : rest;
    return name ? `https://github.com/${[user, name, ...(named.length > 0 ? ["blob", ...named] : [])].join("/")}` : null;
  },
  "gist.githubusercontent.com": (steps) => `https://gist.github.com/${steps.join("/")}`,
  "nbviewer.org": viewed,
  "nbviewer.jupyter.org": viewed,
  "colab.research.google.com": viewed,
  "vscode.dev": viewed,
  "github.dev": (steps) => `https://github.com/${steps.join("/")}`,
};

/** `/github/user/repo/blob/...`, `/gist/user/id/...`, `/url/host/path` and, for https, `/urls/host/path`. */
function viewed([kind, ...rest]: string[]): string | null {
  if (kind === "github" && rest.length > 1) return `https://github.com/${rest.join("/")}`;
  if (kind === "gist" && rest.length > 0) return `https://gist.github.com/${rest.join("/")}`;
  return (kind === "url" || kind === "urls") && rest.length > 0 ? `https://${rest.join("/")}` : null;
}

/** The first step is the ref: a branch with a slash in it cannot be told from a path, unless it is written encoded. */
function refAndPath(repo: string[], rest: string[]): Found {
  const [ref, ...path] = rest;
  return { repo, ref, path };
}

function source(provider: Provider, found: Found): Source {
  const repo = found.repo.map((step) => (found.repo.length > 1 ? decode(step) : step));
  const whole = provider.id === "git" ? repo.join("/") : repo.join("/").replace(/\.git$/, "");
  const result: Source = { provider: provider.id, repo: whole };
  const ref = decode(found.ref ?? "");
  if (ref && ref !== provider.ref.default) result.ref = ref;
  const path = (found.path ?? []).map(decode).join("/");
  if (path) result.path = path;
  return result;
}

/** The host a provider's detection names, for the built-in ones without it the usual one. */
export function hostOf(provider: Provider): string | null {
  const named = /https\?:\/\/([\w.\\:-]+?)\//.exec(provider.detect?.regex ?? "")?.[1];
  if (named) return named.replaceAll("\\", "").toLowerCase();
  return { gh: "github.com", gl: "gitlab.com", gist: "gist.github.com", cb: "codeberg.org", bb: "bitbucket.org" }[provider.id] ?? null;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
