/**
 * The service worker from the page's side: another version is asked about before anything of it is taken. docs/web-phone.md "Versions".
 *
 * A worker is named by its digest, and a browser looks for news only under the name that it knows. So nothing comes by itself, whatever is
 * closed and opened: the page reads which worker is published, and registers that one when the person says so.
 */

import { type Signal, signal } from "@preact/signals";

/** How it stands with another version: there is none, it is offered, it is on its way, or it did not come whole. */
export type Update = "none" | "offered" | "coming" | "broken";
export const update: Signal<Update> = signal("none");

const OPTIONS = { scope: "./", updateViaCache: "none" } as const;
const PUBLISHED = /^worker-[0-9a-f]{64}\.js$/;
const SENT_BACK = "sent-back";

/** The worker of the version that is offered, and of the one that shall not be offered again before the page is opened anew. */
const names = { offered: "", later: "" };

/** Sends the page back through its worker if it was loaded past it, as by a forced reload: it may be of another version. Gives whether it did. */
export async function sentBack(): Promise<boolean> {
  try {
    const active = navigator.serviceWorker.controller === null ? (await navigator.serviceWorker.getRegistration())?.active : null;
    // One that has just come is about to claim the page. It is done once only: tools for developers can keep a worker out for good.
    if (active?.state !== "activated" || sessionStorage.getItem(SENT_BACK) !== null) {
      sessionStorage.removeItem(SENT_BACK);
      return false;
    }
    sessionStorage.setItem(SENT_BACK, "");
    location.reload();
    return true;
  } catch {
    return false; // no workers, or nothing may be stored
  }
}

/** Has a worker serve the page, and looks for another version now and whenever the page is seen again. `opened` hears what a tapped notification opens, as it would stand behind the #. */
export async function register(opened: (fragment: string) => void): Promise<void> {
  if (!("serviceWorker" in navigator)) return;
  const workers = navigator.serviceWorker;
  let served = workers.controller !== null;
  workers.addEventListener("controllerchange", () => {
    if (served) location.reload(); // here or in another tab the person took another version: the files of this one are gone
    served = true;
  });
  workers.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
    if (typeof data === "object" && data !== null && "fragment" in data && typeof data.fragment === "string") opened(data.fragment);
  });
  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") look().catch(() => undefined); });
  await look();
}

/** Takes the version that is offered; the page starts anew with it. */
export async function takeUpdate(): Promise<void> {
  update.value = "coming";
  const isOffered = (worker: ServiceWorker | null): boolean => worker !== null && named(worker) === names.offered;
  try {
    const { installing, waiting, active } = await navigator.serviceWorker.register(url(names.offered), OPTIONS);
    const coming = [installing, waiting, active].find(isOffered);
    const noticed = (): void => { if (!coming || coming.state === "redundant") update.value = "broken"; };
    coming?.addEventListener("statechange", noticed);
    noticed();
  } catch {
    update.value = "broken";
  }
}

/** Offers it no more before the page is opened anew. */
export function later(): void {
  names.later = names.offered;
  update.value = "none";
}

async function look(): Promise<void> {
  if (update.value === "coming") return;
  const running = (await navigator.serviceWorker.getRegistration())?.active;
  const worker = await published();
  if (running === undefined || running === null) await navigator.serviceWorker.register(url(worker), OPTIONS); // the very first replaces nothing: there is nothing to ask
  else if (worker !== named(running) && worker !== names.later) {
    names.offered = worker;
    update.value = "offered";
  }
}

/** Reads which worker the server has now. Throws when it has none. */
async function published(): Promise<string> {
  const { worker } = (await (await fetch("./bundle.json", { cache: "no-cache" })).json()) as { worker?: unknown };
  if (typeof worker !== "string" || !PUBLISHED.test(worker)) throw new Error("no bundle");
  return worker;
}

function named({ scriptURL }: ServiceWorker): string {
  return scriptURL.slice(scriptURL.lastIndexOf("/") + 1);
}

interface Policy { createScriptURL(name: string): string }
const { trustedTypes } = globalThis as { trustedTypes?: { createPolicy(name: string, rules: Policy): Policy } };
/** The page's policy lets scripts be named by this one alone (Trusted Types). */
const policy = trustedTypes?.createPolicy("dispatch-worker", { createScriptURL: (name) => name });

function url(name: string): string {
  return policy?.createScriptURL(`./${name}`) ?? `./${name}`;
}
