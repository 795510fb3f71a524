/** What a tapped notification opens: a thread, and in it the card that it was for. Pure. docs/web-phone.md "Notifications". */

import { OUTCOMES } from "../../protocol/thread/task_view.js";
import type { Item } from "./story.js";

/** What a notification was for. */
export interface About {
  /** The task whose question it showed; empty for one in fixed words, which knows of none. */
  readonly task: string;
  /** Whether somebody waits for an answer. */
  readonly urgent: boolean;
  /** The number of the relay's row that it was for; 0 where there is none: the computer went away, or `task` says it all. */
  readonly seq: number;
}

const FRAGMENT = /^thread=([0-9a-f]{32})(?:&about=(news|question)\.([0-9]{1,15})\.([0-9a-f]{0,32}))?$/;

/** Writes what stands behind the # of the page that is opened. */
export function fragmentOf(pairing: string, { task, urgent, seq }: About): string {
  return `thread=${pairing}&about=${urgent ? "question" : "news"}.${String(seq)}.${task}`;
}

/** Reads it; null for what is none. `about` is null where the thread alone is meant. */
export function openingOf(fragment: string): { readonly pairing: string; readonly about: About | null } | null {
  const [, pairing, hint, seq = "", task = ""] = FRAGMENT.exec(fragment) ?? [];
  if (pairing === undefined) return null;
  return { pairing, about: hint === undefined ? null : { task, urgent: hint === "question", seq: Number(seq) } };
}

/** Gives the id of the task that it is about, of a thread with all up to its row; empty where none is. */
export function cardOf(items: readonly Item[], { task, urgent, seq }: About): string {
  const tasks = items.flatMap((item) => ("task" in item ? [item.task] : []));
  if (task !== "") return tasks.some(({ id }) => id === task) ? task : "";
  if (!urgent && seq === 0) return tasks.filter(({ state }) => state === "out_of_contact").at(-1)?.id ?? "";
  const asking = tasks.filter(({ asked }) => asked !== null);
  const ended = tasks.filter(({ view }) => OUTCOMES.has(view.state));
  // Who was asked and comes when that is answered already reads what became of it.
  const meant = urgent && asking.length > 0 ? asking : ended;
  return meant.reduce<{ id: string; calledAt: bigint }>((newest, one) => (one.calledAt > newest.calledAt ? one : newest), { id: "", calledAt: 0n }).id;
}
