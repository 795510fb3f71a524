/** Which screen is shown. In the browser's history, so that *back* goes back; never in the address, which is nobody's business. */

import { type Signal, signal } from "@preact/signals";

import { type About, openingOf } from "./model/tapped.js";

export type Route =
  | { readonly at: "hosts" | "settings" }
  | { readonly at: "pair"; readonly link: string }
  | { readonly at: "thread"; readonly id: string };

export const route: Signal<Route> = signal({ at: "hosts" });
/** What the notification was for by which a thread was opened; null once its card was found, or the person did something else. */
export const tapped: Signal<{ readonly pairing: string; readonly about: About } | null> = signal(null);

/** Goes to a screen; `instead` of the one that is shown, where nobody wants to go back to that. */
export function go(to: Route, { instead = false } = {}): void {
  // A code is a secret for as long as its offer stands: the history does not get it.
  const kept = to.at === "pair" ? { at: "pair", link: "" } : to;
  if (instead) history.replaceState(kept, "", location.pathname);
  else history.pushState(kept, "", location.pathname);
  route.value = to;
}

/** Goes back to the screen before, or to the computers where there is none. */
export function back(): void {
  if (history.state === null) route.value = { at: "hosts" };
  else history.back();
}

/**
 * Follows the browser's own buttons, and links that are opened into this page: `opened` hears what stood behind their #. A page that is
 * loaded anew shows the computers, whatever its entry in the history was before.
 */
export function follow(opened: (fragment: string) => void): void {
  history.replaceState({ at: "hosts" }, "", location.pathname);
  addEventListener("popstate", ({ state }) => { route.value = isRoute(state) ? state : { at: "hosts" }; });
  addEventListener("hashchange", () => {
    const fragment = takeFragment();
    if (fragment !== "") opened(fragment);
  });
}

/** Goes to what a link to this page is about: a code to pair with, or a thread. */
export function goTo(fragment: string, how?: { instead: boolean }): void {
  if (fragment.startsWith("dispatch:")) go({ at: "pair", link: fragment }, how);
  const opening = openingOf(fragment);
  if (opening === null) return;
  const { pairing, about } = opening;
  const now = route.peek();
  go({ at: "thread", id: pairing }, now.at === "thread" && now.id === pairing ? { instead: true } : how);
  tapped.value = about === null ? null : { pairing, about };
}

function isRoute(state: unknown): state is Route {
  return typeof state === "object" && state !== null && "at" in state;
}

/**
 * Takes the pairing code out of the address, and the fragment with it. Called before anything else; and when a link is opened into a page
 * that is there already.
 * "https://phone.example/#dispatch:pair#..." is what a link to this page looks like.
 */
export function takeFragment(): string {
  const written = location.hash.slice(1);
  if (location.hash !== "") history.replaceState(null, "", location.pathname);
  try {
    return decodeURIComponent(written);
  } catch {
    return "";
  }
}
