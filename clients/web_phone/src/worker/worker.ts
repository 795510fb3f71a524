/**
 * The service worker: keeps the bundle so that the app opens without a network, and shows notifications.
 *
 * It serves the files that it was published with and no others (`files`). Another version has a worker of another name, which a page
 * registers when the person says so; then this one is over. It reads a thread only to show what is asked, where the person wants that
 * (`asking`).
 * docs/web-phone.md "Versions", "Notifications".
 */

import { fragmentOf } from "../app/model/tapped.js";
import { asked, choices } from "./asking.js";
import { digest, give, isOurs, keepAll, keepNoOthers } from "./files.js";
import { gone } from "./gone.js";
import { type Bound, callOf, isOf, type Notice, notice, question, RENEW, type Said, unanswered } from "./notice.js";

declare const self: ServiceWorkerGlobalScope;

const PAGE = "index.html";
/** After so long a push is shown in fixed words if what is asked is not there yet, ms. */
const SOON_MS = 3_000;

// Nobody registers a worker but for the first version and by a person's yes: it has nothing to wait for.
self.addEventListener("install", (event) => { event.waitUntil(keepAll().then(async () => self.skipWaiting())); });
self.addEventListener("activate", (event) => { event.waitUntil(keepNoOthers().then(async () => self.clients.claim())); });
self.addEventListener("message", (event) => {
  const [port] = event.ports;
  if (event.data === "digest") event.waitUntil(digest().then((said) => { port?.postMessage(said); }));
});

self.addEventListener("fetch", (event) => {
  const name = nameOf(event.request);
  if (name !== null) event.respondWith(served(name));
});

self.addEventListener("push", (event) => {
  event.waitUntil(called(event.data?.text() ?? ""));
});

// A page subscribes anew, and tells the relays; where there is none the next one does, when it starts.
self.addEventListener("pushsubscriptionchange", (event) => {
  (event as ExtendableEvent).waitUntil(self.clients.matchAll({ type: "window" }).then((pages) => { for (const page of pages) page.postMessage(RENEW); }));
});

self.addEventListener("notificationclick", (event) => {
  const { notification, action } = event;
  const { pairing, bound, about } = notification.data as Notice["data"];
  notification.close();
  event.waitUntil(bound !== null && (action === "once" || action === "deny") ? answered(pairing, bound, action) : open(fragmentOf(pairing, about)));
});

/** Gives which file of the bundle a request is for; null for what is none of it. */
function nameOf({ method, url, mode }: Request): string | null {
  const scope = new URL(self.registration.scope);
  const asked = new URL(url);
  if (method !== "GET" || asked.origin !== scope.origin || !asked.pathname.startsWith(scope.pathname)) return null;
  const name = asked.pathname.slice(scope.pathname.length);
  if (mode === "navigate") return PAGE;
  return isOurs(name) ? name : null;
}

async function served(name: string): Promise<Response> {
  const file = await give(name);
  if (file !== null) return file;
  return name === PAGE ? gone((await choices()).language || self.navigator.language) : Response.error();
}

/** Shows what a push says, unless somebody looks at the app. */
async function called(written: string): Promise<void> {
  const call = callOf(written);
  if (call === null) return;
  const windows = await self.clients.matchAll({ type: "window" });
  if (windows.some((client) => client.visibilityState === "visible" && client.focused)) return;
  const { language, answerThere } = await choices();
  const spoken = language || self.navigator.language;
  const asking = call.urgent && answerThere ? asked({ ask: "newest", pairing: call.pairing, seq: call.seq }) : Promise.resolve(null);
  // Soon, whatever comes of the rest: a browser ends workers that show nothing.
  const soon = await Promise.race([asking, new Promise<null>((resolve) => { setTimeout(resolve, SOON_MS, null); })]);
  if (soon === null || soon.waiting === null) await show(notice(call, spoken));
  const reply = await asking;
  if (reply !== null && reply.waiting !== null) await show(question(call.pairing, reply.waiting, spoken));
}

/** Gives the answer to the question that was shown, and says when it came to nothing. */
async function answered(pairing: string, bound: Bound, said: Said): Promise<void> {
  const { language } = await choices();
  const spoken = language || self.navigator.language;
  const reply = await asked({ ask: "answer", pairing, ...bound, said });
  const became = reply?.became ?? "not_taken";
  if (became !== "counts") await show(unanswered(pairing, bound, became, spoken));
  else if (reply !== null && reply.waiting !== null) await show(question(pairing, reply.waiting, spoken));
}

async function show({ title, body, tag, data, urgent, actions }: Notice): Promise<void> {
  // `actions` is not in TypeScript's library: not every browser has it, and one without shows the rest.
  const options: NotificationOptions & { actions: Notice["actions"] } = { body, tag, data, actions, icon: "icon-192.png", badge: "icon-192.png", requireInteraction: urgent };
  await self.registration.showNotification(title, options);
  // One of a kind at a time: that of an older question goes.
  const kind = isOf(tag, data.pairing, true);
  for (const one of await self.registration.getNotifications()) if (one.tag !== tag && isOf(one.tag, data.pairing, kind)) one.close();
}

/** Brings the app to the front, at what the notification was for. */
async function open(fragment: string): Promise<void> {
  const [page] = await self.clients.matchAll({ type: "window" });
  if (page === undefined) {
    await self.clients.openWindow(new URL(`./#${fragment}`, self.registration.scope));
    return;
  }
  page.postMessage({ fragment });
  await page.focus();
}
