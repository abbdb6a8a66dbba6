/** What someone pasted, taken apart: a clone address, or the address of a branch, a folder or a file in a forge. */

import type { Provider } from "./page-config";

export interface Source {
  /** A provider's id. */
  provider: string;
  /** As this provider names repositories: `user/repo`, `group/sub/repo`, or a whole URL. */
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
  const url = asUrl(input, providers);
  if (url) return fromUrl(url, providers);
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
  const known = providers.some((provider) => hostOf(provider) === first) || MIRRORS[first] !== undefined;
  if (!scheme && !known) return null;
  try {
    const url = new URL(scheme ? input : `https://${input}`);
    return url.hostname ? url : null;
  } catch {
    return null;
  }
}

function fromUrl(url: URL, providers: Provider[]): Source | null {
  const steps = url.pathname.split("/").filter(Boolean);
  const launch = fromLaunchLink(url, steps, providers);
  if (launch) return launch;
  const host = url.host.toLowerCase();
  const mirrored = MIRRORS[host]?.(steps);
  if (mirrored) {
    const hub = providers.find((provider) => provider.id === "gh");
    return hub ? source(hub, mirrored) : null;
  }
  const provider = providers.find((candidate) => candidate.repo && hostOf(candidate) === host.replace(/^www\./, ""));
  if (provider) {
    const found = provider.id === "gl" ? gitlab(steps) : (gitlabDash(steps) ?? github(steps));
    if (found.repo.length >= 2) return source(provider, found);
    // A forge has no repository at its top, but a plain git server at the same host may.
    return steps[0]?.endsWith(".git") ? anyHost(url, steps, providers) : null;
  }
  return anyHost(url, steps, providers);
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
  // Another provider than a forge's has its own names (a DOI, a path): they are what they are.
  if (chosen && !["gh", "gl", "git"].includes(chosen.id)) return { provider: chosen.id, repo: input };
  const provider = chosen?.id === "git" ? providers.find((candidate) => candidate.id === "gh") : chosen;
  const [name = "", ref] = input.split(/@(.*)/s);
  const steps = name.split("/").filter(Boolean).map(decode);
  if (!provider || steps.length < 2 || !steps.every((step) => /^[\w.~+-]+$/.test(step)) || /\.\.|^\.$/.test(name)) return null;
  const found = provider.id === "gl" ? gitlab(steps) : github(steps);
  return source(provider, ref ? { ...found, ref } : found);
}

/** Another Binder's link: `https://host/v2/gh/user/repo/ref?labpath=...`. */
function fromLaunchLink(url: URL, steps: string[], providers: Provider[]): Source | null {
  const at = steps.indexOf("v2");
  const provider = at < 0 ? undefined : providers.find((candidate) => candidate.id === steps[at + 1]);
  if (!provider) return null;
  const spec = steps.slice(at + 2);
  const size = provider.repo.urlEncode ? 1 : 2;
  if (spec.length < size) return null;
  const found: Source = { provider: provider.id, repo: spec.slice(0, size).map(decode).join("/") };
  const ref = spec.slice(size).map(decode).join("/");
  if (ref && ref !== provider.ref.default) found.ref = ref;
  const asOf = url.searchParams.get("as_of");
  if (asOf) found.asOf = asOf;
  for (const [key, pathType] of [["labpath", "lab"], ["filepath", "file"], ["urlpath", "url"]] as const) {
    const path = url.searchParams.get(key);
    if (path) return { ...found, path, pathType };
  }
  return found;
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

/** Pages that show GitHub's files under another host. */
const MIRRORS: Record<string, (steps: string[]) => Found | null> = {
  "raw.githubusercontent.com": ([user = "", name = "", ...rest]) => {
    const named = rest[0] === "refs" ? rest.slice(2) : rest;
    return name ? refAndPath([user, name], named) : null;
  },
  "nbviewer.org": (steps) => (steps[0] === "github" && steps.length > 2 ? github(steps.slice(1)) : null),
  "nbviewer.jupyter.org": (steps) => (steps[0] === "github" && steps.length > 2 ? github(steps.slice(1)) : null),
  "colab.research.google.com": (steps) => (steps[0] === "github" && steps.length > 2 ? github(steps.slice(1)) : null),
};

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
  return { gh: "github.com", gl: "gitlab.com", gist: "gist.github.com" }[provider.id] ?? null;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
