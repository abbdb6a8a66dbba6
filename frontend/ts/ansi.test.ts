import { describe, expect, it } from "vitest";
import { type Line, LINE_CAP, plainText, TerminalFolder, toNodes } from "./ansi";

const fold = (text: string): Line[] => {
  const folder = new TerminalFolder();
  const lines = folder.write(text);
  return folder.current.length ? [...lines, folder.current] : lines;
};
const text = (input: string) => fold(input).map(plainText).join("\n");

describe("lines", () => {
  it.each([
    ["one\ntwo\n", "one\ntwo"],
    ["crlf\r\nnext\r\n", "crlf\nnext"],
    ["10%\r50%\r100%\n", "100%"],
    ["progress 100%\rdone\n", "doneress 100%"],
    ["progress 100%\r\u001b[Kdone\n", "done"],
    ["abc\u001b[2K\rx\n", "x"],
    ["abcdef\r\u001b[1Kx", "xbcdef"],
    ["abcdef\rxy\u001b[0K\n", "xy"],
    ["ab\bc", "ac"],
    ["a\tb", "a\tb"],
    ["\n\n", "\n"],
  ])("%j shows %j", (input, shown) => expect(text(input)).toBe(shown));

  it("keeps the unfinished line open to what comes next", () => {
    const folder = new TerminalFolder();
    expect(folder.write("Collecting 10%")).toEqual([]);
    expect(plainText(folder.current)).toBe("Collecting 10%");
    expect(folder.write("\rCollecting 99%\nNext").map(plainText)).toEqual(["Collecting 99%"]);
    expect(plainText(folder.current)).toBe("Next");
  });

  it("cuts an endless line and goes on with the next", () => {
    const folder = new TerminalFolder();
    const lines: Line[] = [];
    for (let i = 0; i < 100; i++) lines.push(...folder.write("x".repeat(10_000)));
    lines.push(...folder.write("\nnext\n"));
    expect(lines.map((line) => plainText(line).length)).toEqual([LINE_CAP, 4]);
  });
});

describe("colours", () => {
  it("become class names, and a reset ends them", () => {
    expect(fold("\u001b[1;31merror\u001b[0m: no")).toEqual([
      [
        { text: "error", look: "ansi-bold ansi-fg-1" },
        { text: ": no", look: "" },
      ],
    ]);
  });

  it.each([
    ["\u001b[92mx", "ansi-fg-10"],
    ["\u001b[41mx", "ansi-bg-1"],
    ["\u001b[103mx", "ansi-bg-11"],
    ["\u001b[38;5;9mx", "ansi-fg-9"],
    ["\u001b[38;5;196mx", "ansi-fg-9"],
    ["\u001b[38;5;250mx", "ansi-fg-7"],
    ["\u001b[38;2;0;128;0mx", "ansi-fg-2"],
    ["\u001b[38:2:255:255:255mx", "ansi-fg-15"],
    ["\u001b[48;2;10;10;10mx", "ansi-bg-0"],
    ["\u001b[1;2;3;4;7;9mx", "ansi-bold ansi-dim ansi-italic ansi-underline ansi-inverse ansi-strike"],
    ["\u001b[1;31m\u001b[22;39mx", ""],
    ["\u001b[31m\u001b[mx", ""],
    ["\u001b[31;999mx", "ansi-fg-1"],
    ["\u001b[38;5mx", "ansi-fg-0"],
    ["\u001b[38mx", ""],
    ["\u001b[?25lx", ""],
    ["\u001b[>4;1mx", ""],
  ])("%j has the look %j", (input, look) => expect(fold(input)).toEqual([[{ text: "x", look }]]));

  it("last over lines until they are reset", () => {
    expect(fold("\u001b[32ma\nb\u001b[0m")).toEqual([[{ text: "a", look: "ansi-fg-2" }], [{ text: "b", look: "ansi-fg-2" }]]);
  });

  it("stay with the characters that are not overwritten", () => {
    expect(fold("\u001b[31mabcd\r\u001b[0mX")).toEqual([
      [
        { text: "X", look: "" },
        { text: "bcd", look: "ansi-fg-1" },
      ],
    ]);
  });
});

describe("everything else is dropped", () => {
  it.each([
    ["link", "a\u001b]8;;https://evil.example\u001b\\b\u001b]8;;\u0007c", "abc"],
    ["clipboard", "a\u001b]52;c;ZXZpbA==\u0007b", "ab"],
    ["title", "a\u001b]0;title\u0007b", "ab"],
    ["device control", "a\u001bPq#0;2;0\u001b\\b", "ab"],
    ["application command", "a\u001b_hidden\u001b\\b", "ab"],
    ["cursor up", "a\u001b[2Ab", "ab"],
    ["clear screen", "a\u001b[2J\u001b[Hb", "ab"],
    ["alternate screen", "a\u001b[?1049hb", "ab"],
    ["character set", "a\u001b(0b", "ab"],
    ["reset", "a\u001bcb", "ab"],
    ["eight-bit sequence", "a\u009b31mb\u009d0;t\u009cc", "abc"],
    ["bell, nul, delete", "a\u0007\u0000\u007fb", "ab"],
    ["lone escape", "a\u001b", "a"],
    ["unfinished sequence", "a\u001b[31", "a"],
    ["string that never ends, up to its line's end", "a\u001b]0;never\nb", "a\nb"],
    ["sequence cut by another", "a\u001b[3\u001b[31mb", "ab"],
  ])("%s", (_, input, shown) => expect(text(input)).toBe(shown));

  it("also when cut between any two characters", () => {
    const input = "a\u001b[1;31mred\u001b[0m \u001b]8;;x\u001b\\link\r\u001b[Kfin\u001b]0;t\u0007al\n";
    for (let cut = 0; cut <= input.length; cut++) {
      const folder = new TerminalFolder();
      const lines = [...folder.write(input.slice(0, cut)), ...folder.write(input.slice(cut))];
      expect(lines.map(plainText), `cut at ${cut}`).toEqual(["final"]);
    }
  });

  it("so no control character is left, whatever came in", () => {
    let seed = 3;
    const next = () => (seed = (seed * 48271) % 2147483647);
    const folder = new TerminalFolder();
    for (let i = 0; i < 2000; i++) {
      const input = Array.from({ length: 20 }, () => String.fromCharCode(next() % 3 ? next() % 0xa0 : 0x1b)).join("");
      for (const line of folder.write(`${input}\n`)) {
        expect(plainText(line)).not.toMatch(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/);
        for (const run of line) expect(run.look).toMatch(/^(ansi-[a-z0-9-]+( |$))*$/);
      }
    }
  });
});

describe("nodes", () => {
  it("hold markup as text", () => {
    const host = document.createElement("div");
    host.append(...toNodes([{ text: "<img src=x onerror=alert(1)>", look: "ansi-bold" }, { text: "<script>", look: "" }]));
    expect(host.querySelector("img, script")).toBeNull();
    expect(host.textContent).toBe("<img src=x onerror=alert(1)><script>");
    expect(host.querySelector("span")?.getAttribute("style")).toBeNull();
  });
});
