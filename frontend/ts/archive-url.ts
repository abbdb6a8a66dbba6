/** Records of archives, by the addresses, DOIs and other names people have of them. */

export interface Record {
  provider: string;
  repo: string;
}

/** Hosts that need no `https://` before them to be recognised. */
export const ARCHIVES = ["doi.org", "dx.doi.org", "zenodo.org", "figshare.com", "osf.io", "hydroshare.org", "www.hydroshare.org", "archive.softwareheritage.org"];

const DOI_PROVIDERS = ["zenodo", "figshare", "dataverse"];

/** A name that is no address: a DOI or a SWHID. */
export function recordNamed(text: string, selected: string): Record | null {
  const swhid = /^swh:1:(?:dir|rev|rel|snp):[0-9a-f]{40}(?=$|[;/])/.exec(text);
  if (swhid) return { provider: "swh", repo: swhid[0] };
  const doi = /^(?:doi:\s*)?(10\.\d+(?:\.\d+)*\/\S+)$/i.exec(text)?.[1];
  return doi ? byDoi(doi, selected) : null;
}

/** A page of an archive. */
export function recordAt(url: URL, selected: string): Record | null {
  const host = url.hostname.toLowerCase().replace(/^www\./, "");
  const steps = url.pathname.split("/").filter(Boolean).map(decode);
  if (host === "doi.org" || host === "dx.doi.org") return recordNamed(steps.join("/"), selected);
  if (host === "zenodo.org") return zenodo(steps, selected);
  if (host === "figshare.com" || host.endsWith(".figshare.com")) return figshare(steps);
  if (host === "hydroshare.org") {
    const id = steps[0] === "resource" ? /^[0-9a-f]{32}$/.exec(steps[1] ?? "")?.[0] : undefined;
    return id ? { provider: "hydroshare", repo: id } : null;
  }
  if (host === "osf.io") {
    const id = /^[a-z0-9]{5,12}$/i.exec(steps[0] ?? "")?.[0];
    return id ? { provider: "osf", repo: id.toLowerCase() } : null;
  }
  if (host === "archive.softwareheritage.org") return softwareHeritage(steps);
  return dataverse(url, steps) ?? ckan(url, steps);
}

/** Which archive a DOI is of, its text tells; otherwise the one that was chosen, or the one likelier by how it looks. */
function byDoi(text: string, selected: string): Record {
  const doi = text.replace(/[/.,;]+$/, "");
  const suffix = doi.slice(doi.indexOf("/") + 1);
  if (/^zenodo\./i.test(suffix)) return { provider: "zenodo", repo: doi };
  if (/figshare\./i.test(suffix)) return { provider: "figshare", repo: doi };
  if (/^(DVN|FK2)\//i.test(suffix)) return { provider: "dataverse", repo: doi };
  if (DOI_PROVIDERS.includes(selected)) return { provider: selected, repo: doi };
  return { provider: /(^|\/)[A-Z0-9]{6}$/.test(suffix) ? "dataverse" : "zenodo", repo: doi };
}

function zenodo(steps: string[], selected: string): Record | null {
  const [kind = "", ...rest] = steps;
  if (kind === "doi") return recordNamed(rest.join("/"), selected);
  const number = ["record", "records"].includes(kind) ? /^\d+$/.exec(rest[0] ?? "")?.[0] : undefined;
  return number ? { provider: "zenodo", repo: `10.5281/zenodo.${number}` } : null;
}

/** `/articles/<kind>/<title>/<id>[/<version>]`. */
function figshare(steps: string[]): Record | null {
  if (steps[0] !== "articles") return null;
  const [id, version] = steps.slice(1).filter((step) => /^\d+$/.test(step)).slice(-2);
  if (!id) return null;
  return { provider: "figshare", repo: `10.6084/m9.figshare.${id}${version ? `.v${version}` : ""}` };
}

function softwareHeritage(steps: string[]): Record | null {
  const swhid = steps.map((step) => recordNamed(step, "")).find((found) => found?.provider === "swh");
  if (swhid) return swhid;
  const [browse, kind = "", id = ""] = steps;
  const short = { directory: "dir", revision: "rev", release: "rel", snapshot: "snp" }[kind];
  return browse === "browse" && short && /^[0-9a-f]{40}$/.test(id) ? { provider: "swh", repo: `swh:1:${short}:${id}` } : null;
}

/** A page about a dataset names its DOI in the query. */
function dataverse(url: URL, steps: string[]): Record | null {
  if (!["dataset.xhtml", "citation"].includes(steps.at(-1) ?? "")) return null;
  const doi = /^doi:(10\.\d+(?:\.\d+)*\/\S+)$/i.exec(url.searchParams.get("persistentId") ?? "")?.[1];
  const version = /^\d+(\.\d+)?$/.exec(url.searchParams.get("version") ?? "")?.[0];
  return doi ? { provider: "dataverse", repo: `${doi}${version ? `/v${version}` : ""}` } : null;
}

/** `/dataset/<id>` at any host, which may have more before it. */
function ckan(url: URL, steps: string[]): Record | null {
  const at = steps.lastIndexOf("dataset");
  const id = steps[at + 1] ?? "";
  const isId = (text: string): boolean => /^[\w-]+$/.test(text);
  if (at < 0 || !isId(id) || !/^https?:$/.test(url.protocol)) return null;
  const activity = steps[at + 2] === "history" ? (steps[at + 3] ?? "") : (url.searchParams.get("activity_id") ?? "");
  const above = steps.slice(0, at).map((step) => `/${encodeURIComponent(step)}`).join("");
  return { provider: "ckan", repo: `${url.origin}${above}/dataset/${id}${isId(activity) ? `/history/${activity}` : ""}` };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
