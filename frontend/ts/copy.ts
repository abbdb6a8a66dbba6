/** Puts an element's text on the clipboard. Where a browser does not let us, it is left selected. */
export async function copyText(element: HTMLElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(element.textContent ?? "");
    return true;
  } catch {
    // Only secure contexts have a clipboard, and a service in a local network may not be one.
    getSelection()?.selectAllChildren(element);
    try {
      return document.execCommand("copy");
    } catch {
      return false;
    }
  }
}

/** Makes every `data-copy` button of the page copy the element it names, and say so in the `data-copied` status near it. */
export function listenForCopies(root: Document): void {
  root.addEventListener("click", (event) => {
    const button = (event.target as Element).closest<HTMLButtonElement>("button[data-copy]");
    const source = button && root.getElementById(button.dataset.copy ?? "");
    if (!button || !source) return;
    void copyText(source).then((copied) => {
      const status = button.closest("section")?.querySelector("[data-copied]");
      if (status) status.textContent = copied ? `Copied the ${button.dataset.what}.` : `Press Ctrl+C to copy the ${button.dataset.what}.`;
      button.toggleAttribute("data-done", copied);
      setTimeout(() => button.removeAttribute("data-done"), 2000);
    });
  });
}
