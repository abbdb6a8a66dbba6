/** Providers as the server lists them, for tests. */

import type { Provider } from "./page-config";

export const PROVIDERS: Provider[] = [
  {
    displayName: "GitHub",
    id: "gh",
    spec: { validateRegex: "[^/]+/[^/]+/.+" },
    detect: { regex: "^(https?://github.com/)?(?<repo>.*[^/])/?" },
    repo: { label: "GitHub repository name or URL", placeholder: "user/repo", urlEncode: false },
    ref: { enabled: true, default: "HEAD" },
  },
  {
    displayName: "GitLab",
    id: "gl",
    spec: { validateRegex: "[^/]+/.+" },
    detect: { regex: "^(https?://gitlab\\.com/)?(?<repo>.*[^/])/?" },
    repo: { label: "GitLab repository name or URL", placeholder: "group/repo", urlEncode: true },
    ref: { enabled: true, default: "HEAD" },
  },
  ...[
    ["Codeberg", "cb", "codeberg.org"],
    ["Bitbucket", "bb", "bitbucket.org"],
  ].map(([displayName = "", id = "", host = ""]) => ({
    displayName,
    id,
    spec: { validateRegex: "[^/]+/[^/]+/.+" },
    detect: { regex: `^(https?://${host}/)?(?<repo>.*[^/])/?` },
    repo: { label: `${displayName} repository`, placeholder: "user/repo", urlEncode: false },
    ref: { enabled: true, default: "HEAD" },
  })),
  {
    displayName: "Gist",
    id: "gist",
    spec: { validateRegex: "[^/]+/[^/]+(/[^/]+)?" },
    detect: { regex: "^(https?://gist.github.com/)?(?<repo>.*[^/])/?" },
    repo: { label: "Gist", placeholder: "user/id", urlEncode: false },
    ref: { enabled: true, default: "HEAD" },
  },
  ...["zenodo", "figshare", "dataverse"].map((id) => ({
    displayName: id,
    id,
    spec: { validateRegex: "10\\.\\d+\\/(.)+" },
    repo: { label: "DOI", placeholder: "10.5281/zenodo.1", urlEncode: false },
    ref: { enabled: false },
  })),
  ...["hydroshare", "ckan", "osf", "swh", "image"].map((id) => ({
    displayName: id,
    id,
    spec: { validateRegex: "[^/]+" },
    repo: { label: id, placeholder: "", urlEncode: true },
    ref: { enabled: false },
  })),
  {
    displayName: "Git",
    id: "git",
    spec: { validateRegex: "[^/]+/.+" },
    repo: { label: "Git address", placeholder: "https://", urlEncode: true },
    ref: { enabled: true, default: "HEAD" },
  },
];
