/** The way back, in a browser's own history. */

import { expect, it, vi } from "vitest";

import { back, follow, go, route } from "../../src/app/route.js";

const [DESK, STUDY] = ["desk", "study"].map((id) => ({ at: "thread", id }) as const) as [{ at: "thread"; id: string }, { at: "thread"; id: string }];

/** A tab's history, which a reload does not take. */
class Tab {
  private entries: unknown[] = [null];
  private at = 0;
  private moved: (event: { state: unknown }) => void = () => undefined;

  /** Loads the page, or loads it anew. */
  loads(): void {
    route.value = { at: "hosts" };
    vi.stubGlobal("location", { pathname: "/" });
    vi.stubGlobal("addEventListener", (kind: string, heard: typeof this.moved) => { if (kind === "popstate") this.moved = heard; });
    const state = (): unknown => this.entries[this.at];
    vi.stubGlobal("history", {
      get state() { return state(); },
      replaceState: (to: unknown) => { this.entries[this.at] = to; },
      pushState: (to: unknown) => { this.entries = [...this.entries.slice(0, ++this.at), to]; },
      back: () => { this.moved({ state: this.entries[--this.at] }); },
    });
    follow(() => undefined);
  }
}

it("a page that was loaded anew at one computer's thread leads back from another's to the computers, and not to the first", () => {
  const tab = new Tab();
  tab.loads();
  go(DESK);
  tab.loads();
  expect(route.value).toEqual({ at: "hosts" });
  go(STUDY);

  back();

  expect(route.value).toEqual({ at: "hosts" });
});
