/** `window.pageConfig`, which the server writes into the head of every page. */

import type { components } from "./api";

type Described = components["schemas"]["RepoProvider"];

/** As `/api/repoproviders` has it. */
export type Provider = Pick<Described, "displayName" | "id" | "ref"> & Partial<Pick<Described, "spec" | "detect">> & { repo: Omit<Described["repo"], "urlEncode"> & { urlEncode?: boolean } };

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
