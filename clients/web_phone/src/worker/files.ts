/**
 * The files of this version: kept, and given out as they were published or not at all.
 *
 * Neither the cache nor the server is believed: whatever is given out was checked against its digest just then. docs/web-phone.md "Versions".
 */

import { FILES, VERSION } from "./bundle.js";

declare const self: ServiceWorkerGlobalScope;

const CACHES = "dispatch-";
const CACHE = `${CACHES}${VERSION}`;
/** What is kept of an answer's headers: its kind, and what can only forbid. No digest stands for them; `Refresh` leads a page elsewhere. */
const HEADERS = [
  "content-type", "content-security-policy", "cross-origin-opener-policy", "cross-origin-resource-policy", "permissions-policy",
  "referrer-policy", "x-content-type-options",
];
const OWN_NAME = /worker-([0-9a-f]{64})\.js$/;

/** Tells whether a file is one of this version's. */
export function isOurs(name: string): boolean {
  return Object.hasOwn(FILES, name);
}

/** Fetches every file and keeps them all. Throws, and keeps none, when one is not what was published. */
export async function keepAll(): Promise<void> {
  const files = await Promise.all(Object.keys(FILES).map(async (name) => {
    const file = await fetched(name);
    if (file === null) throw new Error(`${name} is not of this version`);
    return [name, file] as const;
  }));
  const cache = await caches.open(CACHE);
  await Promise.all(files.map(async ([name, file]) => cache.put(at(name), file)));
}

/** Deletes what other versions have kept. */
export async function keepNoOthers(): Promise<void> {
  for (const name of await caches.keys()) if (name.startsWith(CACHES) && name !== CACHE) await caches.delete(name);
}

/** Gives a file: the kept one, else the server's; null when neither is what was published. Throws when the server is not reached. */
export async function give(name: string): Promise<Response | null> {
  const cache = await caches.open(CACHE);
  const kept = await asPublished(name, await cache.match(at(name)));
  if (kept !== null) return kept;
  const found = await fetched(name);
  if (found !== null) await cache.put(at(name), found.clone()).catch(() => undefined); // a full disk: it is given all the same
  return found;
}

/** Computes the digest of this version: of all its files and of the worker, which has its own in its name. */
export async function digest(): Promise<string> {
  const [worker = "", own = ""] = OWN_NAME.exec(self.location.pathname) ?? [];
  const all = Object.entries({ ...FILES, [worker]: own }).sort(([one], [other]) => (one < other ? -1 : 1));
  return sha256(new TextEncoder().encode(all.map(([name, of]) => `${of}  ${name}\n`).join("")));
}

async function fetched(name: string): Promise<Response | null> {
  return asPublished(name, await fetch(at(name), { cache: "no-cache" }));
}

async function asPublished(name: string, response: Response | undefined): Promise<Response | null> {
  if (response?.ok !== true) return null;
  const content = await response.arrayBuffer();
  if (await sha256(content) !== FILES[name]) return null;
  return new Response(content, { headers: [...response.headers].filter(([header]) => HEADERS.includes(header)) });
}

function at(name: string): URL {
  return new URL(name, self.registration.scope);
}

async function sha256(content: BufferSource): Promise<string> {
  return [...new Uint8Array(await crypto.subtle.digest("SHA-256", content))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
