/** The event stream of one build and launch: BinderHub's shapes plus ours, kept whole over lost connections. */

import type { components } from "./api";
import { type Plan, parsePlan } from "./plan";

type Schemas = components["schemas"];
/** As the service describes it, but a stranger's stream may lack any of it. */
type Given<T> = { [Key in keyof T]?: NonNullable<T[Key]> };

export type StepInfo = Given<Schemas["StepMark"]> & { id: string };

/** The end of what a failed step wrote. Its lines are what strangers write, colours and control characters included. */
export type StepOutput = Schemas["StepOutput"];

export type Fault = Given<Schemas["BuildFault"]>;

export interface BuildEvent extends Omit<Given<Schemas["BuildEvent"]>, "phase" | "message" | "stream" | "step" | "fault" | "plan"> {
  /** Lower case; empty for an event without one. Unknown phases are passed on. */
  phase: string;
  message: string;
  stream?: string;
  step?: StepInfo;
  fault?: Fault;
  /** Once, when it is known what will be built. */
  plan?: Plan;
}

export type Connection = "open" | "reconnecting" | "closed";

export interface StreamHandlers {
  event(event: BuildEvent): void;
  connection(state: Connection): void;
  /** The server could not be reached again; the stream is over. */
  lost(): void;
}

/** What we use of `EventSource`, and of what takes its place. */
export interface Source {
  /** What the server asked to be left alone for before the next connection, where the source does not do that itself. */
  readonly retry?: number | undefined;
  readyState: number;
  onopen: ((event: Event) => unknown) | null;
  onmessage: ((event: MessageEvent) => unknown) | null;
  onerror: ((event: Event) => unknown) | null;
  close(): void;
}

/** The build an event belongs to, in its id. */
const BUILD = /^(b-[0-9a-f]{32})\.\d+$/;
const CLOSED = 2;
/** How long to wait before each time it is tried again: for about ten minutes in all. */
const BACKOFF_MS = [500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000, ...Array<number>(18).fill(30_000)];

export class EventStream {
  #source: Source | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #attempt = 0;
  #seen = new Set<string>();
  #lastId = "";
  #lastData = "";
  #fresh = true;
  #ended = false;

  constructor(
    private readonly url: string,
    private readonly handlers: StreamHandlers,
    private readonly open: (url: string) => Source = (address) => new EventSource(address),
  ) {
    this.#connect();
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#source?.close();
    this.handlers.connection("closed");
  }

  #connect(): void {
    const source = this.open(this.#address());
    this.#source = source;
    this.#fresh = true;
    source.onopen = () => {
      this.#fresh = true;
      if (!this.#ended) this.handlers.connection("open");
    };
    source.onmessage = (message) => this.#message(message);
    source.onerror = () => this.#error(source);
  }

  /** A new request cannot carry the `Last-Event-ID` header, so it says it in the query. */
  #address(): string {
    if (!this.#lastId) return this.url;
    return `${this.url}${this.url.includes("?") ? "&" : "?"}last_event_id=${encodeURIComponent(this.#lastId)}`;
  }

  #message({ data, lastEventId }: MessageEvent): void {
    if (this.#ended || typeof data !== "string") return;
    this.#attempt = 0;
    if (this.#isRepeat(data, lastEventId)) return;
    const event = parseEvent(data);
    if (!event) return;
    const build = BUILD.exec(lastEventId)?.[1];
    if (build) event.build_id ??= build;
    this.handlers.event(event);
    if (event.phase === "ready" || event.phase === "failed") this.close();
  }

  /**
   * Whether this event was handed on before. An event without an id shows the id of the one before it, so an id we
   * have just seen is a repeat only when a new connection begins with the very same event.
   */
  #isRepeat(data: string, id: string): boolean {
    const first = this.#fresh;
    this.#fresh = false;
    if (!id) return false;
    if (id === this.#lastId) {
      if (first && data === this.#lastData) return true;
    } else {
      if (this.#seen.has(id)) {
        this.#fresh = first;
        return true;
      }
      this.#seen.add(id);
      this.#lastId = id;
    }
    this.#lastData = data;
    return false;
  }

  #error(source: Source): void {
    if (this.#ended || source !== this.#source) return;
    this.handlers.connection("reconnecting");
    this.#fresh = true;
    if (source.readyState !== CLOSED) return;
    source.close();
    const wait = this.#attempt === 0 ? (source.retry ?? BACKOFF_MS[0]) : BACKOFF_MS[this.#attempt];
    this.#attempt += 1;
    if (wait === undefined) {
      this.close();
      this.handlers.lost();
      return;
    }
    this.#timer = setTimeout(() => this.#connect(), wait);
  }
}

/** `null` for what is no event of ours; fields of the wrong kind are left out. */
export function parseEvent(data: string): BuildEvent | null {
  let raw: unknown;
  try {
    raw = JSON.parse(data);
  } catch {
    return null;
  }
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) return null;
  const given = raw as Record<string, unknown>;
  const phase = (text(given.phase) ?? "").toLowerCase();
  const event: BuildEvent = { phase: phase === "failure" ? "failed" : phase, message: text(given.message) ?? "" };
  for (const key of ["stream", "image", "imageName", "url", "token", "repo_url", "build_id"] as const) {
    const value = text(given[key]);
    if (value !== undefined) event[key] = value;
  }
  if (typeof given.position === "number" && Number.isFinite(given.position)) event.position = given.position;
  if (typeof given.retry_after === "number" && given.retry_after > 0) event.retry_after = given.retry_after;
  const step = parseStep(given.step);
  if (step) event.step = step;
  const fault = parseFault(given.fault);
  if (fault) event.fault = fault;
  const plan = parsePlan(given.plan);
  if (plan) event.plan = plan;
  return event;
}

function parseStep(raw: unknown): StepInfo | undefined {
  if (typeof raw !== "object" || raw === null) return undefined;
  const given = raw as Record<string, unknown>;
  const id = typeof given.id === "number" ? String(given.id) : text(given.id);
  if (!id) return undefined;
  const step: StepInfo = { id };
  const name = text(given.name);
  if (name) step.name = name;
  if (given.status === "running" || given.status === "done" || given.status === "cached" || given.status === "failed") step.status = given.status;
  if (typeof given.duration_ms === "number" && given.duration_ms >= 0) step.duration_ms = given.duration_ms;
  return step;
}

function parseFault(raw: unknown): Fault | undefined {
  if (typeof raw !== "object" || raw === null) return undefined;
  const given = raw as Record<string, unknown>;
  const fault: Fault = {};
  if (given.by === "user" || given.by === "upstream" || given.by === "us") fault.by = given.by;
  for (const key of ["code", "message", "file", "hint", "log_url"] as const) {
    const value = text(given[key]);
    if (value) fault[key] = value;
  }
  if (typeof given.line === "number" && given.line > 0) fault.line = given.line;
  if (typeof given.retry === "boolean") fault.retry = given.retry;
  const output = parseOutput(given.output);
  if (output) fault.output = output;
  return fault;
}

function parseOutput(raw: unknown): StepOutput | undefined {
  if (typeof raw !== "object" || raw === null) return undefined;
  const given = raw as Record<string, unknown>;
  if (!Array.isArray(given.lines)) return undefined;
  const lines = given.lines.filter((line) => typeof line === "string");
  if (lines.length === 0) return undefined;
  return { step: text(given.step) ?? "", name: text(given.name) ?? "", lines };
}

const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
