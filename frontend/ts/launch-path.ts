/**
 * Where to go when a session is ready. The path comes from a link anyone may have written, and the address we build
 * carries the session's token: it must stay inside the session, whatever the path says.
 */

/** What the query of a launch link asks to open, already decoded. Where several are given, the first here counts. */
export interface LaunchQuery {
  labpath?: string | null;
  filepath?: string | null;
  urlpath?: string | null;
}

export interface Destination {
  /** Absolute; same origin as the session, and at or below its path. */
  href: string;
  /** True when the link asked for a path that leads out of the session; `href` is then the session's start page. */
  refused: boolean;
}

/** A link's query. Programs that add `?urlpath=…` to a link add it to one that has a query already, too. */
export function linkQuery(search: string): URLSearchParams {
  return new URLSearchParams(search.replace(/([?&]as_of=[^?&]*)\?/, "$1&"));
}

export function readLaunchQuery(search: string): LaunchQuery {
  const query = linkQuery(search);
  return { labpath: query.get("labpath"), filepath: query.get("filepath"), urlpath: query.get("urlpath") };
}

/** BinderHub's three spellings as one path relative to the session; empty for its start page. */
export function relativePath(query: LaunchQuery): string {
  if (query.labpath) return `doc/tree/${encodePath(query.labpath)}`;
  if (query.filepath) return `tree/${encodePath(query.filepath)}`;
  return (query.urlpath ?? "").trim().replace(/^\/+/, "");
}

/**
 * The address to open, `token` included.
 *
 * @param sessionUrl `url` of the ready event: absolute, http or https
 * @throws TypeError when `sessionUrl` is not such an address
 */
export function destination(sessionUrl: string, query: LaunchQuery, token?: string): Destination {
  const base = new URL(sessionUrl);
  if (base.protocol !== "http:" && base.protocol !== "https:") throw new TypeError(`not a web address: ${sessionUrl}`);
  if (!base.pathname.endsWith("/")) base.pathname += "/";
  const asked = resolve(base, relativePath(query));
  const target = asked ?? new URL(base.href);
  if (token) target.search = withToken(target.search, token);
  return { href: target.href, refused: asked === null };
}

/** Control characters, which URL parsers drop or turn into something else. */
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
/** A scheme, or what some parser may take for one. */
const SCHEME = /^[a-z][a-z0-9+.-]*:/i;
/** Slashes and dots in disguise: a server that decodes twice would see them. */
const DISGUISED = /%(25)*(2f|5c|2e)/i;

/** `null` when `path` is not plainly a path below `base`. */
function resolve(base: URL, path: string): URL | null {
  const [, pathname = "", search = "", hash = ""] = /^([^?#]*)(\?[^#]*)?(#.*)?$/s.exec(path) ?? [];
  if (CONTROL.test(path) || pathname.includes("\\") || pathname.startsWith("/") || SCHEME.test(pathname)) return null;
  if (escapes(pathname)) return null;
  const url = new URL(base.href);
  // Set part by part: there is no text here that a parser could take for a host.
  url.pathname = base.pathname + pathname;
  url.search = search;
  url.hash = hash;
  const inside = url.origin === base.origin && url.username === base.username && url.pathname.startsWith(base.pathname);
  return inside ? url : null;
}

/** Whether a step of the path leads upwards, in plain or in disguise. */
function escapes(pathname: string): boolean {
  return pathname.split("/").some((step) => {
    if (step === "." || step === "..") return true;
    return DISGUISED.test(step) && leadsUp(step);
  });
}

/** Whether a step, decoded as often as it can be, has a parent step or an empty one in it. */
function leadsUp(step: string): boolean {
  let text = step;
  for (let round = 0; round < 5 && /%[0-9a-f]{2}/i.test(text); round++) {
    text = text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
  const steps = text.split(/[/\\]/);
  return steps.some((part) => part === "." || part === "..") || steps[0] === "";
}

/** A file's path, without one trailing slash and without leading ones, as `encodeURI` writes it. */
function encodePath(path: string): string {
  return encodeURI(path.toWellFormed().replace(/\/$/, "").replace(/^\/+/, ""));
}

/** The query with `token` last; a token the link brought along is dropped. */
function withToken(search: string, token: string): string {
  const kept = search
    .replace(/^\?/, "")
    .split("&")
    .filter((pair) => pair !== "" && !new URLSearchParams(pair).has("token"));
  return `?${[...kept, `token=${encodeURIComponent(token)}`].join("&")}`;
}
