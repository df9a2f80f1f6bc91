// Whether p3m serve has opened this page, and can compute for it.

/**
 * Ask the server, if it has marked the page as its own; a page on a static host asks nobody.
 * @returns {Promise<string | null>}  the address of its API
 */
export async function serverHere() {
  const mark = document.querySelector('meta[name="p3m-server"]');
  if (!mark) return null;
  const address = new URL(mark.getAttribute("content") ?? "", document.baseURI);
  try {
    const answer = await fetch(new URL("health", address));
    if (!answer.ok) return null;
    await answer.json();
    return address.href;
  } catch {
    return null;
  }
}
