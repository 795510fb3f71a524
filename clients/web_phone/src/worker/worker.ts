/**
 * The service worker: keeps the bundle so that the app opens without a network, and shows notifications.
 *
 * It serves the files that it was published with and no others: each is checked against its digest before it is kept. A new version
 * waits until the person takes it. It has no keys of the device and reads no thread. docs/web-phone.md "Versions", "Notifications".
 */

import { FILES, VERSION } from "./bundle.js";
import { noticeOf } from "./notice.js";

declare const self: ServiceWorkerGlobalScope;

const CACHE = `dispatch-${VERSION}`;
const PAGE = "index.html";

self.addEventListener("install", (event) => { event.waitUntil(keepAll()); });
self.addEventListener("activate", (event) => { event.waitUntil(takeOver()); });
self.addEventListener("message", (event) => {
  if (event.data === "take-over") event.waitUntil(self.skipWaiting());
  if (event.data === "serve") event.waitUntil(self.clients.claim());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const name = nameOf(request);
  if (name !== null) event.respondWith(kept(name).then(async (found) => found ?? fetch(request)));
});

self.addEventListener("push", (event) => {
  event.waitUntil(called(event.data?.text() ?? ""));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(show((event.notification.data as { pairing: string }).pairing));
});

/** Gives which file of the bundle a request is for; null for what is none of it. */
function nameOf({ method, url, mode }: Request): string | null {
  const scope = new URL(self.registration.scope);
  const asked = new URL(url);
  if (method !== "GET" || asked.origin !== scope.origin || !asked.pathname.startsWith(scope.pathname)) return null;
  const name = asked.pathname.slice(scope.pathname.length);
  if (mode === "navigate") return PAGE;
  return name in FILES ? name : null;
}

async function kept(name: string): Promise<Response | undefined> {
  return (await caches.open(CACHE)).match(new URL(name, self.registration.scope));
}

/** Fetches every file and keeps them all, or none when one is not what it was published as. */
async function keepAll(): Promise<void> {
  const files = await Promise.all(Object.entries(FILES).map(async ([name, digest]) => {
    const response = await fetch(new URL(name, self.registration.scope), { cache: "no-cache" });
    const content = await response.clone().arrayBuffer();
    if (!response.ok || hex(await crypto.subtle.digest("SHA-256", content)) !== digest) throw new Error(`${name} is not of this version`);
    return [name, response] as const;
  }));
  const cache = await caches.open(CACHE);
  await Promise.all(files.map(async ([name, response]) => cache.put(new URL(name, self.registration.scope), response)));
}

async function takeOver(): Promise<void> {
  for (const name of await caches.keys()) if (name.startsWith("dispatch-") && name !== CACHE) await caches.delete(name);
  await self.clients.claim();
}

/** Shows what a push says, unless somebody looks at the app. */
async function called(written: string): Promise<void> {
  const notice = noticeOf(written, self.navigator.language);
  if (notice === null) return;
  const open = await self.clients.matchAll({ type: "window" });
  if (open.some((client) => client.visibilityState === "visible" && client.focused)) return;
  const { title, body, tag, pairing, urgent } = notice;
  // One for each pairing and kind: a newer one takes the older one's place.
  await self.registration.showNotification(title, { body, tag, icon: "icon.svg", badge: "icon.svg", requireInteraction: urgent, data: { pairing } });
}

/** Brings the app to the front, at the thread of that pairing. */
async function show(pairing: string): Promise<void> {
  const [open] = await self.clients.matchAll({ type: "window" });
  if (open === undefined) {
    await self.clients.openWindow(new URL(`./#thread=${pairing}`, self.registration.scope));
    return;
  }
  open.postMessage({ pairing });
  await open.focus();
}

function hex(digest: ArrayBuffer): string {
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
