// Get the graphs and ONNX Runtime, by way of the service worker where there is one, so that they come only once.

import { GRAPHS, graphFile, RUNTIME, WEIGHTS } from "./core/registry.js";

/**
 * @param {(share: number) => void} progress
 * @returns {Promise<Record<string, ArrayBuffer>>}  what loadNetwork takes
 */
export async function loadFiles(progress) {
  // Without a service worker, the page works while the connection lasts.
  await controlled(progress).catch(() => {});
  const names = [WEIGHTS, ...GRAPHS.map(graphFile)];
  const addresses = [...names.map((name) => [name, `../weights/${name}`]), [RUNTIME, `../vendor/${RUNTIME}`]];
  const contents = addresses.map(async ([name, address]) => {
    const answer = await fetch(new URL(address, import.meta.url));
    if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
    return [name, await answer.arrayBuffer()];
  });
  return Object.fromEntries(await Promise.all(contents));
}

/**
 * Wait until the service worker has all files and answers for this page.
 * @param {(share: number) => void} progress
 */
async function controlled(progress) {
  const channel = new BroadcastChannel("p3m-page");
  channel.onmessage = ({ data }) => progress(data);
  const container = navigator.serviceWorker;
  const taken = new Promise((resolve) => container.addEventListener("controllerchange", resolve, { once: true }));
  const { installing, waiting } = await container.register(new URL("../service-worker.js", import.meta.url));
  // After a forced reload the browser leaves the service worker aside.
  const coming = installing ?? waiting;
  if (!container.controller && coming) {
    const failed = new Promise((_, reject) => {
      coming.addEventListener("statechange", () => coming.state === "redundant" && reject(new Error(coming.state)));
    });
    await Promise.race([taken, failed]);
  }
  channel.close();
}
