import { afterEach, describe, expect, it, vi } from "vitest";
import { EventParser, FetchSource } from "./fetch-source";

const STREAM = 'retry: 1500\n\n:keepalive\n\nid: a.1\ndata: {"n":1}\n\nid: a.2\r\ndata: one\r\ndata:two\r\n\r\ndata: three\n\nevent: x\n\ndata: cut off\n';
const EVENTS = [
  { data: '{"n":1}', lastEventId: "a.1" },
  { data: "one\ntwo", lastEventId: "a.2" },
  { data: "three", lastEventId: "a.2" },
];

function parse(...texts: string[]) {
  const parser = new EventParser();
  return { events: texts.flatMap((text) => [...parser.push(text)]), retry: parser.retry };
}

describe("the text of an event stream", () => {
  it("is read alike wherever it is cut", () => {
    expect(parse(STREAM)).toEqual({ events: EVENTS, retry: 1500 });
    for (let at = 0; at <= STREAM.length; at++) expect(parse(STREAM.slice(0, at), STREAM.slice(at)).events, `cut at ${at}`).toEqual(EVENTS);
    expect(parse(...STREAM).events).toEqual(EVENTS);
  });

  it("has no event for what is no data", () => {
    expect(parse("\n\nid: 1\n\ndata\n\nretry: soon\nid: 2\0\ndata: x\n\n")).toEqual({ events: [{ data: "", lastEventId: "1" }, { data: "x", lastEventId: "1" }], retry: undefined });
  });
});

/** A body whose end, or breaking off, is up to the test. */
function body() {
  let out: ReadableStreamDefaultController<Uint8Array> | undefined;
  const stream = new ReadableStream<Uint8Array>({ start: (controller) => void (out = controller) });
  return { stream, say: (text: string) => out?.enqueue(new TextEncoder().encode(text)), end: () => out?.close(), fail: () => out?.error(new Error("gone")) };
}

function follow(answer: unknown) {
  const asked = vi.fn(async (_url: string, _how: RequestInit) => answer);
  vi.stubGlobal("fetch", asked);
  const source = new FetchSource("/build/x");
  const said: string[] = [];
  source.onopen = () => void said.push("open");
  source.onmessage = ({ data, lastEventId }) => void said.push(`${lastEventId} ${data}`);
  source.onerror = () => void said.push(`error ${source.readyState}`);
  return { source, said, asked };
}
const stream = (of: ReadableStream) => ({ ok: true, body: of, headers: new Headers({ "content-type": "text/event-stream" }) });

afterEach(() => vi.unstubAllGlobals());

describe("an event stream over fetch", () => {
  it("hands on each event as it comes, and is closed with an error when it ends or breaks off", async () => {
    for (const how of ["end", "fail"] as const) {
      const told = body();
      const { said, source, asked } = follow(stream(told.stream));
      told.say("retry: 20\n\nid: 1\ndata: \u00e4");
      told.say("\n\n");
      await vi.waitFor(() => expect(said).toEqual(["open", "1 \u00e4"]));
      expect(new Headers(asked.mock.calls[0]?.[1].headers).get("accept")).toBe("text/event-stream");
      told[how]();
      await vi.waitFor(() => expect(said.at(-1)).toBe("error 2"));
      expect(source.retry).toBe(20);
    }
  });

  it("is an error where the answer is no event stream", async () => {
    for (const answer of [{ ...stream(body().stream), ok: false }, { ...stream(body().stream), headers: new Headers({ "content-type": "text/html" }) }]) {
      const { said } = follow(answer);
      await vi.waitFor(() => expect(said).toEqual(["error 2"]));
    }
  });

  it("says nothing more once it is closed", async () => {
    const told = body();
    const { said, source, asked } = follow(stream(told.stream));
    source.onmessage = ({ data }) => {
      said.push(data);
      source.close();
    };
    told.say("data: one\n\ndata: two\n\n");
    await vi.waitFor(() => expect(said).toContain("one"));
    expect(asked.mock.calls[0]?.[1].signal?.aborted).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(said).toEqual(["open", "one"]);
  });
});
