// @vitest-environment node
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

/** The colours of one scheme, by name. */
function colours(file: string, scheme: "light" | "dark"): Record<string, string> {
  const css = readFileSync(new URL(`../styles/${file}`, import.meta.url), "utf8");
  const part = css.split(/@media \(prefers-color-scheme: dark\)/)[scheme === "light" ? 0 : 1] ?? "";
  return Object.fromEntries([...part.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map((match) => [match[1], match[2]]));
}

/** WCAG 2 contrast ratio. */
function contrast(a = "", b = ""): number {
  const [dark, light] = [a, b]
    .map((hex) => {
      const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
        const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
        return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    })
    .sort((x, y) => x - y) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

describe.each(["light", "dark"] as const)("in the %s scheme", (scheme) => {
  const named = colours("tokens.css", scheme);
  it.each([
    ["ink", "paper"], ["ink", "sheet"], ["ink", "sunk"], ["ink", "bad-ground"], ["soft", "paper"], ["soft", "sheet"], ["soft", "sunk"], ["cloth", "paper"],
    ["cloth", "sheet"], ["cloth-deep", "sheet"], ["on-cloth", "cloth"], ["on-cloth", "cloth-deep"], ["bad", "sheet"], ["bad", "bad-ground"], ["good", "sheet"],
  ])("%s on %s can be read", (text, ground) => expect(contrast(named[text], named[ground])).toBeGreaterThanOrEqual(4.5));

  it.each([["edge", "sheet"], ["edge", "paper"], ["thread", "sheet"], ["thread", "paper"]])("%s on %s can be seen", (mark, ground) =>
    expect(contrast(named[mark], named[ground])).toBeGreaterThanOrEqual(3),
  );

  it("every terminal colour can be read in the log", () => {
    const terminal = Object.entries(colours("ansi.css", scheme));
    expect(terminal.length).toBe(16);
    for (const [name, colour] of terminal) expect(contrast(colour, named.sheet), name).toBeGreaterThanOrEqual(4.5);
  });
});
