import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type BuildEvent, EventStream, parseEvent, type Source } from "./events";

class FakeSource implements Source {
  static all: FakeSource[] = [];
  readyState = 0;
  retry: number | undefined;
  onopen: ((event: Event) => unknown) | null = null;
  onmessage: ((event: MessageEvent) => unknown) | null = null;
  onerror: ((event: Event) => unknown) | null = null;
  closed = false;
  constructor(readonly url: string) {
    FakeSource.all.push(this);
  }
  close() {
    this.closed = true;
    this.readyState = 2;
  }
  opens() {
    this.readyState = 1;
    this.onopen?.(new Event("open"));
  }
  sends(data: object | string, lastEventId = "") {
    this.onmessage?.(new MessageEvent("message", { data: typeof data === "string" ? data : JSON.stringify(data), lastEventId }));
  }
  breaks(readyState = 0) {
    this.readyState = readyState;
    this.onerror?.(new Event("error"));
  }
}

function follow() {
  const events: BuildEvent[] = [];
  const states: string[] = [];
  const stream = new EventStream(
    "/build/gh/u/r/HEAD?build_token=t",
    { event: (event) => events.push(event), connection: (state) => states.push(state), lost: () => states.push("lost") },
    (url) => new FakeSource(url),
  );
  return { events, states, stream, source: () => FakeSource.all.at(-1) as FakeSource, lines: () => events.map((event) => event.message) };
}

const line = (message: string) => ({ phase: "building", message });

beforeEach(() => {
  FakeSource.all = [];
  vi.useFakeTimers();
});
afterEach(() => vi.useRealTimers());

describe("a stream", () => {
  it("hands on events and closes at ready, before the server does", () => {
    const { events, states, source } = follow();
    source().opens();
    source().sends({ phase: "waiting", message: "Waiting\n" }, "1");
    source().sends({ phase: "ready", message: "ok\n", url: "http://h/x/", token: "t" }, "2");
    expect(events.map((event) => event.phase)).toEqual(["waiting", "ready"]);
    expect(source().closed).toBe(true);
    expect(states).toEqual(["open", "closed"]);
    source().sends(line("late\n"), "3");
    expect(events.length).toBe(2);
  });

  it.each(["failed", "FAILED", "failure"])("closes at %s", (phase) => {
    const { events, source } = follow();
    source().sends({ phase, message: "no\n" });
    expect(events[0]?.phase).toBe("failed");
    expect(source().closed).toBe(true);
  });

  it("passes on phases it does not know, and skips what is no event", () => {
    const { events, source } = follow();
    for (const bad of ["", "not json", "[]", "null", "3", '"text"']) source().sends(bad);
    source().sends({ phase: "Polishing", message: "x\n" });
    source().sends({ message: "no phase\n" });
    expect(events.map((event) => event.phase)).toEqual(["polishing", ""]);
  });
});

describe("a lost connection", () => {
  it("is told, and a resumed stream neither loses nor doubles a line", () => {
    const { states, source, lines } = follow();
    source().opens();
    source().sends(line("a\n"), "1");
    source().sends(line("b\n"), "2");
    source().breaks();
    source().opens();
    source().sends(line("c\n"), "3");
    expect(lines()).toEqual(["a\n", "b\n", "c\n"]);
    expect(states).toEqual(["open", "reconnecting", "open"]);
  });

  it("may be followed by the whole stream again, or by the last event again", () => {
    for (const replayed of [["1", "2", "3"], ["2", "3"], ["3"]]) {
      FakeSource.all = [];
      const { source, lines } = follow();
      for (const id of ["1", "2"]) source().sends(line(id), id);
      source().breaks();
      source().opens();
      for (const id of replayed) source().sends(line(id), id);
      expect(lines(), replayed.join()).toEqual(["1", "2", "3"]);
    }
  });

  it("does not swallow events without ids, which show the id before them", () => {
    const { source, lines } = follow();
    source().sends(line("a"), "1");
    source().sends(line("same"), "1");
    source().sends(line("same"), "1");
    source().sends(line("b"), "2");
    expect(lines()).toEqual(["a", "same", "same", "b"]);
  });

  it("is retried by us when the browser has given up, from the last event", () => {
    const { source, lines, states } = follow();
    source().sends(line("a\n"), "1-0");
    source().breaks(2);
    expect(FakeSource.all.length).toBe(1);
    vi.advanceTimersByTime(500);
    expect(FakeSource.all.length).toBe(2);
    expect(source().url).toBe("/build/gh/u/r/HEAD?build_token=t&last_event_id=1-0");
    source().opens();
    source().sends(line("a\n"), "1-0");
    source().sends(line("b\n"), "1-1");
    expect(lines()).toEqual(["a\n", "b\n"]);
    expect(states).toEqual(["reconnecting", "open"]);
  });

  it("is left alone at first for as long as the server asks", () => {
    const { source } = follow();
    source().retry = 7000;
    source().breaks(2);
    vi.advanceTimersByTime(6999);
    expect(FakeSource.all.length).toBe(1);
    vi.advanceTimersByTime(1);
    expect(FakeSource.all.length).toBe(2);
  });

  it("is given up after about ten minutes, and said", () => {
    const { states, source } = follow();
    for (let i = 0; i < 40 && !states.includes("lost"); i++) {
      source().breaks(2);
      vi.advanceTimersByTime(30_000);
    }
    expect(FakeSource.all.length).toBe(27);
    expect(states.at(-1)).toBe("lost");
  });

  it("stops being retried when the page closes the stream", () => {
    const { stream, source } = follow();
    source().breaks(2);
    stream.close();
    vi.advanceTimersByTime(600_000);
    expect(FakeSource.all.length).toBe(1);
  });
});

describe("an event", () => {
  it("keeps what it may hold and drops fields of the wrong kind", () => {
    expect(
      parseEvent(
        JSON.stringify({
          phase: "failed",
          message: "no\n",
          position: "3",
          url: 5,
          step: { id: 7, name: "pip", status: "odd", duration_ms: -1 },
          fault: { by: "them", message: "m", file: "requirements.txt", line: 3, hint: {}, retry: true, log_url: "/l" },
        }),
      ),
    ).toEqual({ phase: "failed", message: "no\n", step: { id: "7", name: "pip" }, fault: { message: "m", file: "requirements.txt", line: 3, retry: true, log_url: "/l" } });
  });

  it("is not made of text that looks like one", () => {
    expect(parseEvent(JSON.stringify({ phase: "building", message: '{"phase":"ready","url":"https://evil/"}\n\ndata: {"phase":"ready"}' }))?.phase).toBe("building");
  });
});
