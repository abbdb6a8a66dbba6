/** Images that are built already, by the references, commands and registry pages people have of them. */

import type { Record } from "./archive-url";

/** Registries that need no tag after a name to be recognised. */
const REGISTRIES = ["docker.io", "quay.io", "ghcr.io", "registry.gitlab.com", "gcr.io", "mcr.microsoft.com", "public.ecr.aws"];

/** Hosts of pages that need no `https://` before them to be recognised. */
export const REGISTRY_PAGES = ["quay.io", "hub.docker.com"];

const COMPONENT = "[a-z0-9]+(?:(?:\\.|__?|-+)[a-z0-9]+)*";
const REFERENCE = new RegExp(`^(?:([\\w.-]+(?::\\d+)?)/)?${COMPONENT}(?:/${COMPONENT})*(:\\w[\\w.-]{0,127})?(@sha256:[0-9a-f]{64})?$`);

/**
 * An image reference, also after `docker pull` or `docker://`.
 *
 * @param selected the provider chosen in the form: only a name with a registry, or with a tag, is an image whatever that is
 */
export function imageNamed(text: string, selected: string): Record | null {
  const reference = text.replace(/^(?:(?:docker|podman)\s+pull\s+|docker:\/\/)/, "");
  const [whole, registry = "", tag, digest] = REFERENCE.exec(reference) ?? [];
  // The page of an image at quay.io looks like a name there.
  if (!whole || whole.startsWith("quay.io/repository/")) return null;
  const isFixed = whole.includes("/") && (tag ?? digest) !== undefined;
  return selected === "image" || reference !== text || isFixed || REGISTRIES.includes(registry) ? image(whole) : null;
}

/** A page of a registry. */
export function imageAt(url: URL): Record | null {
  switch (url.host.toLowerCase()) {
    case "hub.docker.com":
      return dockerHub(url.pathname);
    case "quay.io":
      return quay(url);
    case "github.com":
      return githubPackage(url.pathname);
    default:
      return null;
  }
}

/** `/r/<owner>/<name>`, `/_/<name>`, `/layers/<owner>/<name>/<tag>`; those without an owner are of `library`. */
function dockerHub(path: string): Record | null {
  const official = /^\/_\/([^/]+)/.exec(path)?.[1];
  if (official) return named("docker.io", `library/${official}`);
  const [, kind, name = "", tag] = /^\/(r|layers)\/([^/]+\/[^/]+)(?:\/([^/]+))?/.exec(path) ?? [];
  return named("docker.io", name, kind === "layers" ? tag : null);
}

/** `/repository/<owner>/<name>`, with the tag in the path or the query; without the first step it leads there. */
function quay(url: URL): Record | null {
  const [, name = "", tag] = /^\/(?:repository\/)?([^/]+\/[^/]+)(?:\/tag\/([^/]+))?/.exec(url.pathname) ?? [];
  return named("quay.io", name, tag ?? url.searchParams.get("tag"));
}

/** `/<owner>/<repository>/pkgs/container/<name>`, `/orgs/<owner>/packages/container/package/<name>`, the same with `users`. */
function githubPackage(path: string): Record | null {
  const [, owner, name] =
    /^\/([^/]+)\/[^/]+\/pkgs\/container\/([^/]+)/.exec(path) ??
    /^\/(?:orgs|users)\/([^/]+)\/packages\/container\/package\/([^/]+)/.exec(path) ??
    [];
  return named("ghcr.io", owner && name ? `${owner}/${name}` : "");
}

function named(registry: string, name: string, tag?: string | null): Record | null {
  // A slash in a package's name is escaped in the address of its page; registries know small letters only.
  const path = `${registry}/${name}`.replace(/%2f/gi, "/").toLowerCase();
  const tagged = `${path}:${tag}`;
  if (tag && REFERENCE.test(tagged)) return image(tagged);
  return REFERENCE.test(path) ? image(path) : null;
}

function image(reference: string): Record {
  return { provider: "image", repo: reference };
}
