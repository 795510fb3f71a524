/** Brings the card into view that a tapped notification is about. docs/web-phone.md "Notifications". */

import type { RefObject } from "preact";
import { useEffect } from "preact/hooks";

import type { Link } from "../model/link.js";
import { cardOf } from "../model/tapped.js";
import { tapped } from "../route.js";

/** What a person does who is at something else by now. */
const ACTS = ["pointerdown", "wheel", "keydown"] as const;

/** Where the thread's cards are, and what it has to do for one. */
interface Cards {
  readonly box: RefObject<HTMLElement | null>;
  /** Lays out so many of the last items, at least. */
  readonly show: (items: number) => void;
  /** Hears that the reader is not at the newest. */
  readonly left: () => void;
}

/** Gives the card the focus as soon as all up to its row is here; never, once the person does something. */
export function useTapped(link: Link, { box, show, left }: Cards): void {
  const about = tapped.value?.pairing === link.id ? tapped.value.about : null;
  const waits = about !== null;
  useEffect(() => {
    if (!waits) return undefined;
    const forget = (): void => { tapped.value = null; };
    for (const act of ACTS) document.addEventListener(act, forget, { passive: true });
    return () => { for (const act of ACTS) document.removeEventListener(act, forget); };
  }, [waits]);
  useEffect(() => () => { if (tapped.peek()?.pairing === link.id) tapped.value = null; }, [link]);
  useEffect(() => {
    if (about === null || !link.upToDate || link.readTo < BigInt(about.seq)) return;
    const id = cardOf(link.thread, about);
    const card = box.current?.querySelector<HTMLElement>(`[data-task="${id}"]`) ?? null;
    if (id !== "" && card === null) show(link.thread.length - link.thread.findIndex((item) => "task" in item && item.task.id === id));
    if (card === null) return;
    tapped.value = null;
    left();
    card.focus({ preventScroll: true });
    (card.querySelector(".question") ?? card).scrollIntoView({ block: "start" });
  });
}
