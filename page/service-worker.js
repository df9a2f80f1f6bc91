// Makes the page work offline: the browser keeps all files of one version. A second visit needs no network.

/** Path of each file -> the beginning of its SHA-256, and its bytes; the build fills it in. @type {Record<string, [string, number]>} */
const FILES = {};

const CACHE = "p3m-page";
/** Isolation lets WebAssembly use several threads; a worker takes its security policy from its own headers. */
const HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Content-Security-Policy": "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' blob:",
};

self.addEventListener("install", (event) => event.waitUntil(fillCache()));
self.addEventListener("activate", (event) => event.waitUntil(takeOver()));
self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  const path = url.split(/[?#]/)[0].slice(self.registration.scope.length) || "index.html";
  if (method === "GET" && url.startsWith(self.registration.scope) && Object.hasOwn(FILES, path)) {
    event.respondWith(answer(path, event.request));
  }
});

/** @param {string} path */
function keyOf(path) {
  return new URL(`${path}?${FILES[path][0]}`, self.registration.scope).href;
}

/** Fetch what is new, and tell the page how far it is. */
async function fillCache() {
  const cache = await caches.open(CACHE);
  const kept = new Set((await cache.keys()).map(({ url }) => url));
  const missing = Object.keys(FILES).filter((path) => !kept.has(keyOf(path)));
  const total = missing.reduce((sum, path) => sum + FILES[path][1], 0);
  const channel = new BroadcastChannel(CACHE);
  let done = 0;
  await Promise.all(
    missing.map(async (path) => {
      const found = await fetch(new URL(path, self.registration.scope), { cache: "no-cache" });
      if (!found.ok || !found.body) throw new Error(`${path}: ${found.status}`);
      const counted = new TransformStream({
        transform(part, controller) {
          done += part.length;
          channel.postMessage(Math.min(done / total, 1));
          controller.enqueue(part);
        },
      });
      // Not the other headers: the body is no longer compressed.
      const headers = { "Content-Type": found.headers.get("Content-Type") ?? "" };
      await cache.put(keyOf(path), new Response(found.body.pipeThrough(counted), { headers }));
    }),
  );
  channel.close();
}

/** Drop the files of older versions, and answer for the page that is open. */
async function takeOver() {
  const cache = await caches.open(CACHE);
  const wanted = new Set(Object.keys(FILES).map(keyOf));
  for (const request of await cache.keys()) if (!wanted.has(request.url)) await cache.delete(request);
  await self.clients.claim();
}

/**
 * @param {string} path
 * @param {Request} request
 */
async function answer(path, request) {
  const cache = await caches.open(CACHE);
  const found = (await cache.match(keyOf(path))) ?? (await fetch(request));
  const headers = new Headers(found.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  return new Response(found.body, { status: found.status, statusText: found.statusText, headers });
}
