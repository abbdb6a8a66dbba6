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
  {
    displayName: "Git",
    id: "git",
    spec: { validateRegex: "[^/]+/.+" },
    repo: { label: "Git address", placeholder: "https://", urlEncode: true },
    ref: { enabled: true, default: "HEAD" },
  },
];
