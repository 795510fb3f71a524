/** Which screen is shown. In the browser's history, so that *back* goes back; never in the address, which is nobody's business. */

import { type Signal, signal } from "@preact/signals";

export type Route =
  | { readonly at: "hosts" | "settings" }
  | { readonly at: "pair"; readonly link: string }
  | { readonly at: "thread"; readonly id: string };

export const route: Signal<Route> = signal({ at: "hosts" });

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
  else if (/^thread=[0-9a-f]{32}$/.test(fragment)) go({ at: "thread", id: fragment.slice("thread=".length) }, how);
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
