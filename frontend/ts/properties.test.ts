/**
 * What strangers write and this page reads: a link's path, a log's terminal codes, an event. Whatever it is, what is promised of it
 * holds. Each is tried some hundred times, or, with `FUZZ_SECONDS`, for as long.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Line, LINE_CAP, plainText, TerminalFolder } from "./ansi";
import { EventStream, parseEvent, type Source } from "./events";
import { destination, type LaunchQuery, readLaunchQuery } from "./launch-path";

const SECONDS = Number(process.env.FUZZ_SECONDS ?? 0);
const TIMEOUT = SECONDS * 1000 + 60_000;

function holds<T>(arbitrary: fc.Arbitrary<T>, promise: (value: T) => void): void {
  const long = { numRuns: Number.POSITIVE_INFINITY, interruptAfterTimeLimit: SECONDS * 1000 };
  let tried = 0;
  const counted = (value: T) => {
    tried++;
    promise(value);
  };
  fc.assert(fc.property(arbitrary, counted), SECONDS ? long : { numRuns: 500 });
  if (SECONDS) console.info(`${expect.getState().currentTestName}: ${tried} inputs`);
}

const mixture = (parts: string[], length: number) =>
  fc
    .array(fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...parts) }, fc.string({ unit: "binary", maxLength: 4 })), { maxLength: length })
    .map((some) => some.join(""));

function fullyDecoded(text: string): string {
  for (let i = 0; i < 8; i++) text = text.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  return text;
}

describe("a link's path", () => {
  const SESSION = "https://s-1.hub.example:8443/user/s-1/";
  const base = new URL(SESSION);
  const PARTS = [
    "/", "//", "\\", "..", ".", "%2e", "%2E", "%2f", "%5c", "%25", "%252e", ":", "@", "evil.example", "\t", "\n", "\r", "\0", "http",
    "https:", "javascript:", "data:", "?", "#", "&", "=", "token", " ", ";", "[", "]", "lab/tree/", "user/", "\u202e", "\uff0f", "\ud800",
  ];
  const path = mixture(PARTS, 12);

  const stays = (query: LaunchQuery) => {
    const { href } = destination(SESSION, query, "T&=#+");
    const url = new URL(href);
    expect(url.origin).toBe(base.origin);
    expect(url.username + url.password).toBe("");
    expect(url.pathname.startsWith(base.pathname)).toBe(true);
    expect(fullyDecoded(url.pathname).split(/[/\\]/)).not.toContain("..");
    // The session's own, once.
    expect(url.searchParams.getAll("token")).toEqual(["T&=#+"]);
    expect(href).not.toMatch(/[\u0000-\u0020\u007f]/);
  };

  it(
    "d4 leads nowhere but into the session",
    () => holds(fc.tuple(fc.constantFrom("urlpath", "labpath", "filepath"), path), ([key, value]) => stays({ [key]: value })),
    TIMEOUT,
  );

  it(
    "d4 leads nowhere else however the query is written",
    () => holds(mixture(["urlpath=", "labpath=", "filepath=", "&", "?", "+", ...PARTS], 14), (search) => stays(readLaunchQuery(search))),
    TIMEOUT,
  );
});

describe("a log's terminal codes", () => {
  const PARTS = [
    "\u001b", "\u001b[", "\u009b", "\u001b]", "\u009d", "\u001b]8;;https://evil.example", "\u001b]52;c;", "\u0007", "\u001b\\", "\u009c",
    "\u001bP", "\u001b_", "m", "K", "J", "H", "A", "0", "1", "2", "38;5;", "48;2;255;0;0", ";", ":", "999999999999", "31", "\r", "\n",
    "\r\n", "\b", "\t", "\0", "text", "<img src=x onerror=alert(1)>", "\u202e", "\ud800", "\u{1f600}",
  ];
  const LOOK = /^(ansi-(bold|dim|italic|underline|inverse|strike|fg-(\d|1[0-5])|bg-(\d|1[0-5]))( (?!$)|$))*$/;

  const folded = (...writes: string[]): Line[] => {
    const folder = new TerminalFolder();
    const lines = writes.flatMap((text) => folder.write(text));
    return [...lines, folder.current];
  };

  it(
    "d2 are text of known looks and nothing a terminal would do",
    () =>
      holds(mixture(PARTS, 60), (text) => {
        const lines = folded(text);
        expect(lines.length).toBe(text.split("\n").length);
        for (const line of lines) {
          expect(plainText(line)).not.toMatch(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/);
          expect(plainText(line).length).toBeLessThanOrEqual(LINE_CAP);
          for (const run of line) expect(run.look).toMatch(LOOK);
        }
      }),
    TIMEOUT,
  );

  it(
    "d2 are the same wherever the text was cut",
    () =>
      holds(fc.tuple(mixture(PARTS, 30), fc.nat(200)), ([text, at]) => {
        expect(folded(text.slice(0, at), text.slice(at))).toEqual(folded(text));
      }),
    TIMEOUT,
  );

  it(
    "d2 hide no line after the one they are in",
    () => holds(mixture(PARTS, 30), (text) => expect(plainText(folded(`${text}\nafter\n`).at(-2) ?? [])).toBe("after")),
    TIMEOUT,
  );
});

describe("an event", () => {
  const key = fc.constantFrom(
    "phase", "message", "step", "fault", "plan", "id", "name", "status", "output", "lines", "line", "by", "url", "token", "position",
    "__proto__", "constructor", "steps", "files", "build_id", "retry", "duration_ms",
  );
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.constantFrom<unknown>("ready", "failed", "Failure", null, true, -1, 1e308, "", "building"),
      fc.string({ unit: "binary", maxLength: 8 }),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(key, tie("value"), { maxKeys: 6 }),
    ),
  }));
  const data = fc.oneof(fc.string({ unit: "binary" }), value.map((given) => JSON.stringify(given)));

  it(
    "d3 is of the kinds that the page knows, or none",
    () =>
      holds(data, (text) => {
        const event = parseEvent(text);
        if (!event) return;
        expect(typeof event.phase).toBe("string");
        expect(typeof event.message).toBe("string");
        for (const name of ["url", "token", "repo_url", "imageName", "stream", "build_id"] as const) {
          expect(["string", "undefined"]).toContain(typeof event[name]);
        }
        expect(["number", "undefined"]).toContain(typeof event.position);
        if (event.step) expect(typeof event.step.id).toBe("string");
        for (const line of event.fault?.output?.lines ?? []) expect(typeof line).toBe("string");
        expect(Object.getPrototypeOf(event)).toBe(Object.prototype);
      }),
    TIMEOUT,
  );

  it(
    "d3 ends the stream only by its own phase, and nothing follows the end",
    () =>
      holds(fc.array(fc.tuple(data, fc.constantFrom("", "b-0.1", "b-0.2", "x")), { maxLength: 8 }), (messages) => {
        const told: string[] = [];
        const source: Source = { readyState: 1, onopen: null, onmessage: null, onerror: null, close: () => {} };
        const stream = new EventStream(
          "/build/x",
          { event: (event) => told.push(event.phase), connection: () => {}, lost: () => {} },
          () => source,
        );
        for (const [text, lastEventId] of messages) source.onmessage?.({ data: text, lastEventId } as MessageEvent);
        stream.close();
        const end = told.findIndex((phase) => phase === "ready" || phase === "failed");
        expect(end === -1 || end === told.length - 1).toBe(true);
      }),
    TIMEOUT,
  );
});
