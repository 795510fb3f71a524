/** The service worker from the page's side: a new version is asked about before it is taken. docs/web-phone.md "Versions". */

import { type Signal, signal } from "@preact/signals";

export const updateReady: Signal<boolean> = signal(false);
let waiting: ServiceWorker | null = null;

/** Registers the worker. `opened` hears what a tapped notification opens, as it would stand behind the #. */
export async function register(opened: (fragment: string) => void): Promise<void> {
  if (!("serviceWorker" in navigator)) return;
  const registration = await navigator.serviceWorker.register(url("./worker.js"), { scope: "./", updateViaCache: "none" });
  // A page that no worker serves, as after a forced reload, would not hold a new version back: it would be taken under the page's feet.
  if (navigator.serviceWorker.controller === null) registration.active?.postMessage("serve");
  const noticed = (worker: ServiceWorker | null): void => {
    // The very first worker replaces nothing: there is nothing to ask.
    if (worker === null || registration.active === null) return;
    waiting = worker;
    updateReady.value = true;
  };
  noticed(registration.waiting);
  registration.addEventListener("updatefound", () => {
    const worker = registration.installing;
    worker?.addEventListener("statechange", () => { if (worker.state === "installed") noticed(worker); });
  });
  navigator.serviceWorker.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
    if (typeof data === "object" && data !== null && "fragment" in data && typeof data.fragment === "string") opened(data.fragment);
  });
}

/** Takes the version that waits, and starts the page anew with it. */
export function applyUpdate(): void {
  navigator.serviceWorker.addEventListener("controllerchange", () => { location.reload(); }, { once: true });
  waiting?.postMessage("take-over");
}

/** The page's policy lets scripts be named by this one function alone (Trusted Types). */
function url(script: "./worker.js"): string {
  const { trustedTypes } = globalThis as { trustedTypes?: { createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string } } };
  return trustedTypes?.createPolicy("dispatch-worker", { createScriptURL: (name) => name }).createScriptURL(script) ?? script;
}
