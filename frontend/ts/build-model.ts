/** What is known of a build so far, folded from its events. No DOM. */

import { type Line, TerminalFolder } from "./ansi";
import type { BuildEvent, Connection, Fault } from "./events";
import type { Plan } from "./plan";

export type StepStatus = "running" | "done" | "cached" | "failed";

/** Lines kept for one step. Older ones are in the whole log; a browser that keeps millions keeps nothing else. */
export const KEPT_LINES = 50_000;

export class Step {
  status: StepStatus = "running";
  /** Complete lines, oldest first, after `dropped` older ones. */
  lines: Line[] = [];
  dropped = 0;
  durationMs: number | undefined;
  readonly #folder = new TerminalFolder();

  constructor(
    readonly id: string,
    public name: string,
    readonly startedAt: number,
  ) {}

  /** The line being written. */
  get current(): Line {
    return this.#folder.current;
  }

  write(text: string): void {
    for (const line of this.#folder.write(text)) this.lines.push(line);
    if (this.lines.length > KEPT_LINES * 1.2) {
      const excess = this.lines.length - KEPT_LINES;
      this.lines.splice(0, excess);
      this.dropped += excess;
    }
  }

  end(status: StepStatus, now: number, durationMs?: number): void {
    this.status = status;
    this.durationMs = durationMs ?? this.durationMs ?? now - this.startedAt;
  }
}

/** Stages a person sees; several phases may share one. */
export const STAGES = ["fetch", "build", "launch", "open"] as const;
export type Stage = (typeof STAGES)[number];
export type StageStatus = "todo" | "active" | "done" | "kept" | "failed";

const STAGE_OF: Record<string, Stage> = {
  fetching: "fetch",
  building: "build",
  pushing: "build",
  built: "build",
  launching: "launch",
  ready: "open",
};

/** Names of what happens outside any step. */
const PHASE_NAMES: Record<string, string> = {
  waiting: "Getting ready",
  queued: "Getting ready",
  fetching: "Fetching the repository",
  building: "Building",
  pushing: "Pushing the image",
  built: "Starting the session",
  launching: "Starting the session",
  ready: "Starting the session",
};

const LABELS: Record<string, string> = {
  waiting: "Waiting",
  queued: "Waiting",
  fetching: "Fetching",
  building: "Building",
  pushing: "Pushing",
  built: "Launching",
  launching: "Launching",
  ready: "Ready",
  failed: "Failed",
};

export class BuildModel {
  phase = "waiting";
  steps: Step[] = [];
  position: number | undefined;
  connection: Connection = "open";
  failure: (Fault & { message: string }) | undefined;
  /** In how many seconds from its end another try is worth it. */
  retryAfter: number | undefined;
  session: { url: string; token: string | undefined } | undefined;
  plan: Plan | undefined;
  buildId: string | undefined;
  /** How long builds like this one took before. */
  usualMs: number | undefined;
  /** Since when the build is at work, by this side's clock; it may have begun before this page. */
  runningSince: number | undefined;
  readonly startedAt: number;
  endedAt: number | undefined;
  #reached = new Map<Stage, StageStatus>();
  #own: Step | undefined;

  constructor(private readonly now: () => number = Date.now) {
    this.startedAt = now();
  }

  get finished(): boolean {
    return this.endedAt !== undefined;
  }

  /** One word for people. */
  get label(): string {
    return LABELS[this.phase] ?? "Working";
  }

  /** What the word leaves out: the place in the queue, or the step at work. */
  get detail(): string {
    if (this.phase === "queued" && this.position !== undefined) {
      return this.position > 1 ? `Place ${this.position} in the queue` : "Next in the queue";
    }
    if (this.phase === "building") return this.steps.findLast((step) => step.status === "running")?.name ?? "";
    if (this.phase === "pushing") return "Storing the image for the next visitor";
    if (this.phase === "ready") return "Opening your session";
    if (this.phase === "failed") return this.steps.findLast((step) => step.status === "failed")?.name ?? "";
    return "";
  }

  /** What earlier builds say of this one; nothing once it is done, or where there were none. */
  get usual(): string {
    if (this.usualMs === undefined || this.finished || this.built) return "";
    if (this.runningSince === undefined) return `Usually takes ${about(this.usualMs)}`;
    const soFar = this.now() - this.runningSince;
    const time = duration(Math.max(0, Math.floor(soFar / 1000)) * 1000).replace(/\.0 s$/, " s");
    return soFar > this.usualMs * 1.5 + 5000 ? `Usually takes ${about(this.usualMs)}; longer this time: ${time} so far` : `Usually takes ${about(this.usualMs)}; ${time} so far`;
  }

  /** Whether there is an image, whatever became of it. */
  get built(): boolean {
    return this.stage("build") === "done" || this.stage("build") === "kept";
  }

  stage(stage: Stage): StageStatus {
    return this.#reached.get(stage) ?? "todo";
  }

  apply(event: BuildEvent): void {
    if (this.finished) return;
    this.buildId = event.build_id ?? this.buildId;
    if (event.phase === "failed") return this.#fail(event);
    if (event.phase && event.phase !== "unknown") this.#enter(event.phase);
    this.plan = event.plan ?? this.plan;
    this.position = event.phase === "queued" ? (event.position ?? this.position) : undefined;
    this.#log(event);
    if (event.phase === "ready") {
      this.session = { url: event.url ?? "", token: event.token };
      this.#end("done");
    }
  }

  /** Ends the build as failed for a reason of this side, such as a server that is gone. */
  fail(failure: Fault & { message: string }): void {
    this.#fail({ phase: "failed", message: failure.message, fault: failure });
  }

  #enter(phase: string): void {
    this.phase = phase;
    const stage = STAGE_OF[phase];
    if (!stage) return;
    const at = STAGES.indexOf(stage);
    for (const earlier of STAGES.slice(0, at)) {
      const status = this.stage(earlier);
      if (status === "active") this.#reached.set(earlier, "done");
      // Nothing was heard of it: what it makes was there already.
      else if (status === "todo") this.#reached.set(earlier, "kept");
    }
    const before = this.stage(stage);
    if (phase === "built") this.#reached.set(stage, before === "active" ? "done" : before === "todo" ? "kept" : before);
    else if (phase === "ready") this.#reached.set(stage, "done");
    else this.#reached.set(stage, "active");
  }

  #log({ phase, step: info, message, stream }: BuildEvent): void {
    if (!info) {
      if (message.trim()) this.#ownStep(phase).write(message);
      return;
    }
    let step = this.steps.find((known) => known.id === info.id);
    if (!step) {
      this.#closeOwn();
      step = new Step(info.id, info.name ?? info.id, this.now());
      this.steps.push(step);
    }
    if (info.name) step.name = info.name;
    if (stream || !isMark(message, step.name)) step.write(message);
    // Output may arrive after the end of its step, and does not begin it anew.
    if (stream && step.status !== "running") return;
    if (info.status === "running") step.status = "running";
    else if (info.status) step.end(info.status, this.now(), info.duration_ms);
  }

  /** Where words outside any step go: a step of their own for each part of the way. */
  #ownStep(phase: string): Step {
    const name = PHASE_NAMES[phase || this.phase] ?? (this.#own?.name || "Working");
    if (this.#own?.name === name && this.steps.at(-1) === this.#own) return this.#own;
    this.#closeOwn();
    this.#own = new Step(`own:${this.steps.length}`, name, this.now());
    this.steps.push(this.#own);
    return this.#own;
  }

  #closeOwn(): void {
    if (this.#own?.status === "running") this.#own.end("done", this.now());
    this.#own = undefined;
  }

  #fail(event: BuildEvent): void {
    if (this.finished) return;
    this.failure = { ...event.fault, message: (event.fault?.message ?? event.message).trim() || "The launch failed, and no reason was given." };
    this.retryAfter = event.retry_after;
    this.phase = "failed";
    this.#end("failed");
    const active = STAGES.findLast((stage) => this.stage(stage) === "active");
    this.#reached.set(active ?? STAGES.find((stage) => this.stage(stage) === "todo") ?? "open", "failed");
  }

  #end(status: "done" | "failed"): void {
    this.endedAt = this.now();
    for (const step of this.steps) if (step.status === "running") step.end(status, this.endedAt);
  }
}

/** Whether a message only says that a step began or ended, as its heading already does. */
function isMark(message: string, name: string): boolean {
  const text = message.trim();
  return text === "" || (text.startsWith(name) && /^( \((cached|done|failed)\))?$/.test(text.slice(name.length)));
}

/** `0.4 s`, `12 s`, `3 min 05 s`. */
export function duration(ms: number): string {
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
}

/** `a few seconds`, `about 40 s`, `about 2 min`, `about 1 h 10 min`: no more exact than it is. */
export function about(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 8) return "a few seconds";
  if (seconds < 95) return `about ${Math.round(seconds / (seconds < 30 ? 5 : 10)) * (seconds < 30 ? 5 : 10)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `about ${minutes} min`;
  const tens = Math.round(minutes / 10) * 10;
  return `about ${Math.floor(tens / 60)} h${tens % 60 === 0 ? "" : ` ${tens % 60} min`}`;
}
