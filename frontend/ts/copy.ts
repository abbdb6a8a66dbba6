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
