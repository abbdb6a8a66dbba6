/** Images that are built already, by the references, commands and registry pages people have of them. */

import type { Record } from "./archive-url";

/** Registries that need no tag after a name to be recognised. */
const REGISTRIES = ["docker.io", "quay.io", "ghcr.io", "registry.gitlab.com", "gcr.io", "mcr.microsoft.com", "public.ecr.aws"];

const COMPONENT = "[a-z0-9]+(?:(?:\\.|__?|-+)[a-z0-9]+)*";
const REFERENCE = new RegExp(`^(?:([\\w.-]+(?::\\d+)?)/)?${COMPONENT}(?:/${COMPONENT})*(:\\w[\\w.-]{0,127})?(@sha256:[0-9a-f]{64})?$`);
const TAG = /^\w[\w.-]{0,127}$/;

/**
 * An image reference, also after `docker pull` or `docker://`.
 *
 * @param selected the provider chosen in the form: only a name with a registry, or with a tag, is an image whatever that is
 */
export function imageNamed(text: string, selected: string): Record | null {
  const reference = text.replace(/^(?:(?:docker|podman)\s+pull\s+|docker:\/\/)/, "");
  const [whole, registry = "", tag, digest] = REFERENCE.exec(reference) ?? [];
  if (!whole) return null;
  const isFixed = whole.includes("/") && (tag ?? digest) !== undefined;
  return selected === "image" || reference !== text || isFixed || REGISTRIES.includes(registry) ? image(whole) : null;
}

/** A page of a registry. */
export function imageAt(url: URL): Record | null {
  const steps = url.pathname.split("/").filter(Boolean);
  switch (url.host.toLowerCase()) {
    case "hub.docker.com":
      return dockerHub(steps);
    case "quay.io":
      return quay(url, steps);
    case "github.com":
      return githubPackage(steps);
    default:
      return null;
  }
}

/** `/r/<owner>/<name>`, `/_/<name>`, `/layers/<owner>/<name>/<tag>`; those without an owner are of `library`. */
function dockerHub([kind, ...rest]: string[]): Record | null {
  if (kind === "_" && rest[0]) return named("docker.io", ["library", rest[0]]);
  if (kind !== "r" && kind !== "layers") return null;
  return named("docker.io", rest.slice(0, 2), kind === "layers" ? rest[2] : undefined);
}

/** `/repository/<owner>/<name>`, with the tag in the path or the query. */
function quay(url: URL, [kind, ...rest]: string[]): Record | null {
  if (kind !== "repository") return null;
  const tag = (rest[2] === "tag" ? rest[3] : null) ?? url.searchParams.get("tag") ?? undefined;
  return named("quay.io", rest.slice(0, 2), tag);
}

/** `/<owner>/<repository>/pkgs/container/<name>`, `/orgs/<owner>/packages/container/package/<name>`, the same with `users`. */
function githubPackage(steps: string[]): Record | null {
  const [first = "", second = "", ...rest] = steps;
  const [kind, container, ...name] = rest;
  if (kind === "pkgs" && container === "container") return named("ghcr.io", [first, name[0] ?? ""]);
  if (!["orgs", "users"].includes(first) || rest.slice(0, 3).join("/") !== "packages/container/package") return null;
  return named("ghcr.io", [second, rest[3] ?? ""]);
}

function named(registry: string, names: string[], tag?: string): Record | null {
  // A slash in a package's name is escaped in the address of its page; registries know small letters only.
  const path = [registry, ...names].join("/").replace(/%2f/gi, "/").toLowerCase();
  const reference = tag && TAG.test(tag) ? `${path}:${tag}` : path;
  return names.length === 2 && REFERENCE.test(reference) ? image(reference) : null;
}

function image(reference: string): Record {
  return { provider: "image", repo: reference };
}
