/** `window.pageConfig`, which the server writes into the head of every page. */

export interface Provider {
  displayName: string;
  id: string;
  spec?: { validateRegex: string };
  detect?: { regex: string };
  repo: { label: string; placeholder: string; urlEncode?: boolean };
  ref: { enabled: boolean; default?: string };
}

export interface PageConfig {
  baseUrl: string;
  badgeBaseUrl?: string | null;
  buildToken?: string | null;
  repoProviders?: Provider[];
}

declare global {
  interface Window {
    pageConfig?: PageConfig;
  }
}

export function pageConfig(): PageConfig {
  return window.pageConfig ?? { baseUrl: "/" };
}

/** Where links and badges point: in full, with a final slash. */
export function publicBase(config: PageConfig, here: string): string {
  const base = new URL(config.badgeBaseUrl || config.baseUrl, here).href;
  return base.endsWith("/") ? base : `${base}/`;
}
