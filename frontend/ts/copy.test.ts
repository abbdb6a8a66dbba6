import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { listenForCopies } from "./copy";

const PAGE = `
<section><output id="one">first text</output><button data-copy="one" data-what="link"><span>Copy</span></button><p data-copied></p></section>
<section><output id="two">second text</output><button data-copy="two" data-what="HTML badge">Copy</button><p data-copied></p></section>`;

let written: string[];
let refuse: boolean;

beforeEach(() => {
  [written, refuse] = [[], false];
  vi.stubGlobal("navigator", {
    clipboard: { writeText: async (text: string) => (refuse ? Promise.reject(new Error("no")) : void written.push(text)) },
  });
  document.body.innerHTML = PAGE;
});
afterEach(() => vi.unstubAllGlobals());
listenForCopies(document);

const said = () => [...document.querySelectorAll("[data-copied]")].map((status) => status.textContent);

describe("copy buttons", () => {
  it("copy the text they name and say so beside it", async () => {
    document.querySelector<HTMLElement>('[data-copy="two"]')?.click();
    await vi.waitFor(() => expect(said()).toEqual(["", "Copied the HTML badge."]));
    expect(written).toEqual(["second text"]);
    document.querySelector<HTMLElement>('[data-copy="one"] span')?.click();
    await vi.waitFor(() => expect(said()[0]).toBe("Copied the link."));
    expect(written).toEqual(["second text", "first text"]);
  });

  it("leave the text selected where the browser does not let them", async () => {
    refuse = true;
    document.execCommand = () => false;
    document.querySelector<HTMLElement>('[data-copy="one"]')?.click();
    await vi.waitFor(() => expect(said()[0]).toBe("Press Ctrl+C to copy the link."));
  });
});
