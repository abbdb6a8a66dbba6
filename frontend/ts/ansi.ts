/**
 * What a terminal would show of a build's output: colours, carriage returns and erased lines. Everything else a
 * terminal understands (titles, links, clipboard, cursor moves) is dropped. The result is text and class names only.
 */

/** Text of one look. `look` is a space-separated list of class names; empty for plain text. */
export interface Run {
  text: string;
  look: string;
}

export type Line = Run[];

/** A line longer than this is cut: nobody reads it, and layout of it stalls a browser. In UTF-16 units. */
export const LINE_CAP = 16_384;

export const plainText = (line: Line): string => line.map((run) => run.text).join("");

interface Style {
  fg: number | null;
  bg: number | null;
  flags: Set<string>;
}

const FLAGS: Record<number, string> = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike" };
const FLAGS_OFF: Record<number, string[]> = { 22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 29: ["strike"] };

/** Folds a stream of text into lines. Sequences and lines may be split anywhere between two writes. */
export class TerminalFolder {
  #style: Style = { fg: null, bg: null, flags: new Set() };
  #look = "";
  #line: Line = [];
  #length = 0;
  #column = 0;
  #state: "text" | "escape" | "intermediate" | "csi" | "string" | "string-escape" = "text";
  #parameters = "";
  #full = false;

  /** The lines this text completed, oldest first. */
  write(text: string): Line[] {
    const done: Line[] = [];
    let plain = 0;
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (this.#state === "text" && code >= 0x20 && (code < 0x7f || code > 0x9f)) continue;
      if (this.#state === "text" && at > plain) this.#put(text.slice(plain, at));
      plain = at + 1;
      if (code === 0x0a) {
        done.push(this.#finish());
        // A line's end also ends whatever sequence was left open, so that no output can hide the rest of a log.
        this.#state = "text";
      } else this.#step(code, text[at] as string);
    }
    if (this.#state === "text" && text.length > plain) this.#put(text.slice(plain));
    return done;
  }

  /** The line being written, which later text may still change. */
  get current(): Line {
    return this.#line;
  }

  #step(code: number, character: string): void {
    switch (this.#state) {
      case "text":
        if (code === 0x1b) this.#state = "escape";
        else if (code === 0x9b) this.#open("csi");
        else if (code === 0x90 || code === 0x98 || code === 0x9d || code === 0x9e || code === 0x9f) this.#open("string");
        else if (code === 0x0d) this.#column = 0;
        else if (code === 0x08) this.#column = Math.max(0, this.#column - 1);
        else if (code === 0x09) this.#put("\t");
        break;
      case "escape":
        if (character === "[") this.#open("csi");
        else if ("]PX^_".includes(character)) this.#open("string");
        else if (code >= 0x20 && code <= 0x2f) this.#state = "intermediate";
        else this.#state = code === 0x1b ? "escape" : "text";
        break;
      case "intermediate":
        if (code < 0x20 || code > 0x2f) this.#state = "text";
        break;
      case "csi":
        if (code >= 0x40 && code <= 0x7e) {
          this.#state = "text";
          if (character === "m") this.#colour();
          else if (character === "K") this.#erase();
        } else if (code === 0x1b) this.#state = "escape";
        else if (code === 0x0d) this.#column = 0;
        else if (this.#parameters.length < 64) this.#parameters += character;
        break;
      case "string":
        if (code === 0x07 || code === 0x9c) this.#state = "text";
        else if (code === 0x1b) this.#state = "string-escape";
        break;
      case "string-escape":
        this.#state = character === "\\" ? "text" : code === 0x1b ? "string-escape" : "string";
        break;
    }
  }

  #open(state: "csi" | "string"): void {
    this.#state = state;
    this.#parameters = "";
  }

  #finish(): Line {
    const line = this.#line;
    this.#line = [];
    this.#length = 0;
    this.#column = 0;
    this.#full = false;
    return line;
  }

  /** Writes at the column, over what is there. */
  #put(text: string): void {
    const room = LINE_CAP - this.#column;
    if (text.length > room) {
      if (this.#full) return;
      this.#full = true;
      text = `${text.slice(0, Math.max(0, room - 1))}\u2026`;
    }
    const end = this.#column + text.length;
    if (this.#column >= this.#length) {
      if (this.#column > this.#length) this.#append(" ".repeat(this.#column - this.#length), "");
      this.#append(text, this.#look);
    } else {
      const before = slice(this.#line, 0, this.#column);
      const after = slice(this.#line, end, this.#length);
      this.#line = before;
      this.#append(text, this.#look);
      for (const run of after) this.#append(run.text, run.look);
    }
    this.#length = Math.max(this.#length, end);
    this.#column = end;
  }

  #append(text: string, look: string): void {
    const last = this.#line.at(-1);
    if (last && last.look === look) last.text += text;
    else if (text) this.#line.push({ text, look });
  }

  #erase(): void {
    const mode = Number.parseInt(this.#parameters || "0", 10);
    if (mode === 0) {
      this.#line = slice(this.#line, 0, this.#column);
      this.#length = Math.min(this.#length, this.#column);
    } else if (mode === 1) {
      const rest = slice(this.#line, this.#column, this.#length);
      this.#line = [];
      this.#append(" ".repeat(Math.min(this.#column, this.#length)), "");
      for (const run of rest) this.#append(run.text, run.look);
    } else if (mode === 2) {
      this.#line = [];
      this.#length = 0;
    }
    this.#full = false;
  }

  #colour(): void {
    if (/[^0-9;:]/.test(this.#parameters)) return;
    const codes = this.#parameters.split(/[;:]/).map((code) => (code === "" ? 0 : Number.parseInt(code, 10)));
    const style = this.#style;
    for (let at = 0; at < codes.length; at++) {
      const code = codes[at] ?? 0;
      if (code === 0) this.#style = Object.assign(style, { fg: null, bg: null, flags: new Set<string>() });
      else if (FLAGS[code]) style.flags.add(FLAGS[code]);
      else if (FLAGS_OFF[code]) for (const flag of FLAGS_OFF[code]) style.flags.delete(flag);
      else if (code >= 30 && code <= 37) style.fg = code - 30;
      else if (code >= 40 && code <= 47) style.bg = code - 40;
      else if (code >= 90 && code <= 97) style.fg = code - 82;
      else if (code >= 100 && code <= 107) style.bg = code - 92;
      else if (code === 39) style.fg = null;
      else if (code === 49) style.bg = null;
      else if (code === 38 || code === 48) {
        const [colour, used] = extended(codes.slice(at + 1));
        if (code === 38) style.fg = colour;
        else style.bg = colour;
        at += used;
      }
    }
    const names = [...style.flags].map((flag) => `ansi-${flag}`);
    if (style.fg !== null) names.push(`ansi-fg-${style.fg}`);
    if (style.bg !== null) names.push(`ansi-bg-${style.bg}`);
    this.#look = names.join(" ");
  }
}

/** The units from `from` to `to` of a line. */
function slice(line: Line, from: number, to: number): Line {
  const part: Line = [];
  let at = 0;
  for (const run of line) {
    const text = run.text.slice(Math.max(0, from - at), Math.max(0, to - at));
    if (text) part.push({ text, look: run.look });
    at += run.text.length;
  }
  return part;
}

/** Reads `5;n` or `2;r;g;b`: the nearest of the sixteen colours, and how many codes it took. */
function extended(codes: number[]): [number | null, number] {
  if (codes[0] === 5) {
    const n = codes[1] ?? 0;
    if (n < 16) return [n, 2];
    if (n > 231) return [nearest((n - 232) * 10 + 8, (n - 232) * 10 + 8, (n - 232) * 10 + 8), 2];
    const level = (part: number) => (part === 0 ? 0 : part * 40 + 55);
    const cube = n - 16;
    return [nearest(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6)), 2];
  }
  if (codes[0] === 2) return [nearest(codes[1] ?? 0, codes[2] ?? 0, codes[3] ?? 0), 4];
  return [null, 0];
}

/** Three bits by half of the brightest part, and bright when that is high. */
function nearest(r: number, g: number, b: number): number {
  const top = Math.max(r, g, b);
  if (top < 48) return 0;
  const bits = (r * 2 > top ? 1 : 0) | (g * 2 > top ? 2 : 0) | (b * 2 > top ? 4 : 0);
  if (bits === 7) return top > 200 ? 15 : top > 120 ? 7 : 8;
  return top > 200 ? bits + 8 : bits;
}

/** The line as nodes that can only be text. */
export function toNodes(line: Line): (Text | HTMLSpanElement)[] {
  return line.map((run) => {
    if (!run.look) return document.createTextNode(run.text);
    const span = document.createElement("span");
    span.className = run.look;
    span.textContent = run.text;
    return span;
  });
}
