/** The loading page: one event stream, shown as it comes, ending in a session or a failure card. */

import { BuildModel } from "./build-model";
import type { BuildProgress } from "./build-progress";
import type { EnvironmentPanel } from "./environment-panel";
import { type BuildEvent, EventStream, type Source } from "./events";
import { showFailure } from "./failure";
import { FetchSource } from "./fetch-source";
import { destination, linkQuery, readLaunchQuery } from "./launch-path";
import type { LogView } from "./log-view";
import { type NotebookPreview, notebookOf } from "./notebook-preview";
import type { PageConfig } from "./page-config";
import { parsePlan } from "./plan";

/** What the page does to its surroundings; tests put their own. */
export interface Surroundings {
  openStream: (url: string) => Source;
  /** Goes there without leaving this page in the history: going back to it would launch once more. */
  go: (href: string) => void;
  reload: () => void;
  nextFrame: (run: () => void) => void;
  /** What a program of this service answers; fails where it is no JSON. */
  fetchJson: (url: string) => Promise<unknown>;
  search: string;
  /** Milliseconds, by the clock of this side. */
  now: () => number;
}

/** When the history of a build is asked for, in their order: each time more is known of it. */
const STAGES_ASKED = ["", "waiting", "begun", "planned"];

export const browser = (): Surroundings => ({
  openStream: (url) => new FetchSource(url),
  go: (href) => location.replace(href),
  reload: () => location.reload(),
  // Hidden tabs get no frames, and their log must not pile up unseen.
  nextFrame: (run) => (document.hidden ? setTimeout(run, 250) : requestAnimationFrame(run)),
  fetchJson: async (url) => (await fetch(url)).json(),
  search: location.search,
  now: () => Date.now(),
});

export function startLoading(root: Document, config: PageConfig, around: Surroundings = browser()): EventStream | null {
  const progress = root.querySelector<BuildProgress>("build-progress");
  const log = root.querySelector<LogView>("log-view");
  const environment = root.querySelector<EnvironmentPanel>("environment-panel");
  if (!progress?.dataset.spec || !log) return null;
  const { baseUrl = config.baseUrl, provider = "", spec, repository = "", buildLogUrl } = progress.dataset;
  const model = new BuildModel();
  const title = root.title;
  progress.model = model;
  log.model = model;
  log.fileName = `${repository.replace(/^\w+:\/\//, "").replace(/[^\w.-]+/g, "-")}.log.txt`;

  let queued = false;
  const draw = (): void => {
    queued = false;
    progress.requestUpdate();
    log.requestUpdate();
    if (environment) {
      environment.plan = model.plan;
      environment.recordUrl = model.built && model.buildId ? `${baseUrl}builds/${model.buildId}` : undefined;
    }
    if (model.buildId) log.dataset.buildLogUrl ??= `${baseUrl}builds/${model.buildId}/log`;
    root.title = model.phase === "waiting" ? title : `${model.label}: ${repository}`;
  };
  const change = (): void => {
    if (queued) return;
    queued = true;
    around.nextFrame(draw);
  };
  /** The log of a build that was done before is not told again, but its plan can be asked for. */
  const findPlan = async (build: string): Promise<void> => {
    try {
      model.plan ??= parsePlan(await around.fetchJson(`${baseUrl}builds/${encodeURIComponent(build)}/plan`));
      change();
    } catch {
      // An image may outlive the log of its build. The launch does not wait for this.
    }
  };
  /** What is remembered of builds like this one. The page does without where it cannot be had. */
  const findUsual = async (build: string): Promise<void> => {
    try {
      const { usual_ms: usual, running_ms: running } = (await around.fetchJson(`${baseUrl}builds/${encodeURIComponent(build)}/estimate`)) as Record<string, unknown>;
      model.usualMs = typeof usual === "number" && usual >= 0 ? usual : undefined;
      if (typeof running === "number" && running >= 0) model.runningSince ??= around.now() - running;
      change();
    } catch {
      // As above.
    }
  };
  /** Which commit or version a ref stands for. */
  const findRevision = async (build: string): Promise<void> => {
    const place = root.querySelector<HTMLElement>("#revision");
    if (!place) return;
    try {
      const { commit } = (await around.fetchJson(`${baseUrl}builds/${encodeURIComponent(build)}`)) as Record<string, unknown>;
      if (typeof commit !== "string" || commit === "") return;
      const code = root.createElement("code");
      code.textContent = /^[0-9a-f]{40}$/.test(commit) ? commit.slice(0, 7) : commit;
      place.replaceChildren(place.dataset.before ?? "", code);
    } catch {
      // As above.
    }
  };
  /** The notebook that will be opened, once the build has read it. */
  const notebook = notebookOf(around.search);
  const findNotebook = async (build: string): Promise<void> => {
    const preview = root.querySelector<NotebookPreview>("notebook-preview");
    if (!notebook || !preview?.hidden) return;
    try {
      const answer = await around.fetchJson(`${baseUrl}builds/${encodeURIComponent(build)}/notebook?path=${encodeURIComponent(notebook)}`);
      if (!model.finished) preview.show(answer);
    } catch {
      // As above.
    }
  };
  /** The build that is followed, once it is known; told again when it is at work, and when it is known what it does. */
  let asked = "";
  const askAbout = ({ phase, plan }: BuildEvent, build: string): void => {
    if (asked === "") void findRevision(build);
    if (plan || phase === "built") void findNotebook(build);
    const stage = phase === "built" ? "built" : plan ? "planned" : phase === "waiting" || phase === "queued" ? "waiting" : "begun";
    if (stage === "built" || STAGES_ASKED.indexOf(stage) <= STAGES_ASKED.indexOf(asked)) {
      asked ||= stage;
      return;
    }
    asked = stage;
    if (!model.built) void findUsual(build);
  };
  const finish = (): void => {
    if (model.failure) {
      showFailure(root, model.failure, buildLogUrl, model.retryAfter);
      offerStep(model.failure.output?.step);
    }
    if (model.session) open(model.session.url, model.session.token);
  };
  const offerStep = (id: string | undefined): void => {
    const button = root.querySelector<HTMLElement>("#btn-show-step");
    if (!button || !model.steps.some((step) => step.id === id)) return;
    button.hidden = false;
    button.addEventListener("click", () => void log.show(id ?? ""));
  };
  const open = (url: string, token: string | undefined): void => {
    try {
      around.go(destination(url, readLaunchQuery(around.search), token).href);
    } catch {
      showFailure(root, { by: "us", message: "The session is ready, but its address is not one a browser can open." }, buildLogUrl);
    }
  };

  root.querySelector("#btn-retry")?.addEventListener("click", () => around.reload());
  const query = new URLSearchParams();
  if (config.buildToken) query.set("build_token", config.buildToken);
  // Another day is another build.
  const asOf = linkQuery(around.search).get("as_of");
  if (asOf) query.set("as_of", asOf);
  const question = query.size > 0 ? `?${query}` : "";
  return new EventStream(
    `${baseUrl}build/${provider}/${spec}${question}`,
    {
      event(event) {
        model.apply(event);
        change();
        if (model.buildId && !model.finished) askAbout(event, model.buildId);
        if (event.phase === "built" && event.build_id && !model.plan) void findPlan(event.build_id);
        if (model.finished) finish();
      },
      connection(state) {
        model.connection = state;
        change();
      },
      lost() {
        model.fail({ by: "us", message: "The connection to the service was lost and did not come back.", hint: "Check your network, then try again. A build that was running goes on.", retry: true });
        change();
        finish();
      },
    },
    around.openStream,
  );
}
