/** The plan of a build: the object that `bindery plan --json` prints and `/builds/<id>/plan` answers. */

/** A language's version and what chose it. */
export interface Choice {
  version: string;
  source: string;
}

export interface PlanStep {
  name: string;
  /** Whether it is repeated for every commit. */
  needsContent: boolean;
  /** `requirements.txt`, where the step comes from a file. */
  file: string | undefined;
}

/** What of a plan the pages show. */
export interface Plan {
  buildpacks: string[];
  base: string;
  python: Choice | undefined;
  r: Choice | undefined;
  julia: Choice | undefined;
  asOf: Choice | undefined;
  used: { file: string; for: string }[];
  ignored: { file: string; reason: string }[];
  notes: string[];
  steps: PlanStep[];
  /** The repository's own, when that is what is built. */
  dockerfile: string | undefined;
}

/** `undefined` for what is no plan; what is not as it should be is left out. */
export function parsePlan(raw: unknown): Plan | undefined {
  const given = object(raw);
  if (!given || !Array.isArray(given.steps) || !Array.isArray(given.used)) return undefined;
  const day = object(given.as_of);
  return {
    buildpacks: texts(given.buildpacks),
    base: text(given.base) ?? "",
    python: choice(given.python),
    r: choice(given.r),
    julia: choice(given.julia),
    asOf: day ? choice({ version: day.date, source: day.source }) : undefined,
    used: objects(given.used).flatMap((one) => pair(one.file, one.for).map(([file, what]) => ({ file, for: what }))),
    ignored: objects(given.ignored).flatMap((one) => pair(one.file, one.reason).map(([file, reason]) => ({ file, reason }))),
    notes: texts(given.notes),
    steps: objects(given.steps).flatMap((one) => {
      const name = text(one.name);
      return name ? [{ name, needsContent: one.needs_content === true, file: text(one.file) }] : [];
    }),
    dockerfile: text(given.dockerfile),
  };
}

/** What chose a version, for people. */
export function chosenBy({ source }: Choice): string {
  if (source === "base image") return "the base image\u2019s own";
  if (source === "asked for") return "asked for in the link";
  return `from ${source}`;
}

function choice(raw: unknown): Choice | undefined {
  const given = object(raw);
  const version = text(given?.version);
  return version ? { version, source: text(given?.source) ?? "" } : undefined;
}

function pair(one: unknown, other: unknown): [string, string][] {
  const [first, second] = [text(one), text(other)];
  return first === undefined || second === undefined ? [] : [[first, second]];
}

const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
const texts = (value: unknown): string[] => (Array.isArray(value) ? value.filter((one) => typeof one === "string") : []);
const objects = (value: unknown): Record<string, unknown>[] => (Array.isArray(value) ? value.map(object).filter((one) => one !== undefined) : []);

function object(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
}
