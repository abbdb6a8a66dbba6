/**
 * An event stream over `fetch`. A browser's own `EventSource` makes a task of every event, and a build tells thousands in a second;
 * here what arrives together is read together, in bites that leave time to draw.
 */

import type { Source } from "./events";

/** Milliseconds of work before the page may draw. */
const BITE_MS = 8;

/** Reads the text of an event stream as it comes, cut anywhere. */
export class EventParser {
  /** What the server asks a client to wait before it comes back. */
  retry: number | undefined;
  #rest = "";
  #data: string[] = [];
  #id = "";

  /** The events that this text completes: their data and the id that is the last by then. */
  *push(text: string): Generator<{ data: string; lastEventId: string }> {
    let given = this.#rest + text;
    // It may be half of a line's end.
    const held = given.endsWith("\r") ? "\r" : "";
    if (held) given = given.slice(0, -1);
    const lines = given.split(/\r\n|\n|\r/);
    this.#rest = `${lines.pop() ?? ""}${held}`;
    for (const line of lines) {
      if (line !== "") this.#field(line);
      else if (this.#data.length > 0) {
        const data = this.#data.join("\n");
        this.#data = [];
        yield { data, lastEventId: this.#id };
      }
    }
  }

  #field(line: string): void {
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "data") this.#data.push(value);
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    else if (name === "retry" && /^\d{1,9}$/.test(value)) this.retry = Number(value);
  }
}

/** Never comes back by itself: a stream that ends is an error, and closed. */
export class FetchSource implements Source {
  readyState = 0;
  onopen: ((event: Event) => unknown) | null = null;
  onmessage: ((event: MessageEvent) => unknown) | null = null;
  onerror: ((event: Event) => unknown) | null = null;
  readonly #parser = new EventParser();
  readonly #abort = new AbortController();

  constructor(url: string) {
    void this.#run(url);
  }

  get retry(): number | undefined {
    return this.#parser.retry;
  }

  close(): void {
    this.readyState = 2;
    this.#abort.abort();
  }

  async #run(url: string): Promise<void> {
    try {
      const answer = await fetch(url, { headers: { accept: "text/event-stream" }, cache: "no-store", signal: this.#abort.signal });
      if (answer.ok && answer.body && answer.headers.get("content-type")?.startsWith("text/event-stream")) await this.#read(answer.body);
    } catch {
      // Whatever broke it off: whoever follows is told below, and may ask again.
    }
    if (this.readyState === 2) return;
    this.close();
    this.onerror?.(new Event("error"));
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    this.readyState = 1;
    this.onopen?.(new Event("open"));
    const [reader, decoder] = [body.getReader(), new TextDecoder()];
    let since = performance.now();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      for (const message of this.#parser.push(decoder.decode(value, { stream: true }))) {
        if (this.readyState === 2) return;
        this.onmessage?.(new MessageEvent("message", message));
        if (performance.now() - since > BITE_MS) {
          await breath();
          since = performance.now();
        }
      }
    }
  }
}

/** Lets the browser do what it has to; unlike a timer, no less often in a tab that is out of sight. */
function breath(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
