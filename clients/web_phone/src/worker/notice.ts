/**
 * What a push says, as a notification. Pure. docs/push.md, docs/web-phone.md "Notifications".
 *
 * Fixed words and nothing of what was written, which no lock screen should show; unless the person chose that what is asked is shown,
 * and may be answered there.
 */

import type { Became } from "../app/model/answering.js";
import type { Waiting } from "../app/model/approvals.js";
import type { About } from "../app/model/tapped.js";
import { oneLine } from "../app/plain.js";

/** What the worker says to a page when the browser's push service has ended the subscription. */
export const RENEW = "renew";

/** What a push is about. */
export interface Call {
  readonly pairing: string;
  /** Whether somebody waits for an answer. */
  readonly urgent: boolean;
  /** The number of the row that it is for. */
  readonly seq: number;
  readonly calls: number;
}

/** A question that a notification shows, and that its answers go to. */
export type Bound = Pick<Waiting, "task" | "question">;

export type Said = "once" | "deny";

/** A notification. A newer one of the same tag takes the older one's place: one for each pairing and kind; but each question has its own, so that a tap meant for one never answers the next. */
export interface Notice {
  readonly title: string;
  readonly body: string;
  readonly tag: string;
  readonly urgent: boolean;
  readonly data: { readonly pairing: string; readonly bound: Bound | null; readonly about: About };
  readonly actions: readonly { readonly action: Said; readonly title: string }[];
}

const WORDS = {
  en: {
    question: "Your computer asks you something.", news: "There is news from your computer.", many: "There is news of {count} tasks.",
    asks: "{host} asks", once: "Allow once", deny: "Don't allow", more: "There is more: tap to read it.",
    over: "That was answered already, or is over. Nothing was done with your answer.",
    not_taken: "Your answer did not get through. Tap to answer in the thread.",
    not_known: "It is not known yet whether your answer counts. Tap to look.",
  },
  de: {
    question: "Dein Computer fragt dich etwas.", news: "Dein Computer hat Neuigkeiten.", many: "Es gibt Neuigkeiten zu {count} Aufgaben.",
    asks: "{host} fragt", once: "Einmal erlauben", deny: "Nicht erlauben", more: "Es geht weiter: Tippen, um es zu lesen.",
    over: "Das ist schon beantwortet oder vorbei. Mit deiner Antwort geschah nichts.",
    not_taken: "Deine Antwort kam nicht an. Tippen, um im Verlauf zu antworten.",
    not_known: "Ob deine Antwort zählt, ist noch nicht bekannt. Tippen, um nachzusehen.",
  },
} as const;

/** Reads a push; null for what is none of ours. */
export function callOf(written: string): Call | null {
  let said: unknown;
  try {
    said = JSON.parse(written);
  } catch {
    return null;
  }
  if (typeof said !== "object" || said === null) return null;
  const { v, pairing, hint, calls, seq } = said as Partial<Record<string, unknown>>;
  if (v !== 1 || typeof pairing !== "string" || !/^[0-9a-f]{32}$/.test(pairing)) return null;
  return { pairing, urgent: hint === "question", seq: counted(seq), calls: Math.max(1, counted(calls)) };
}

/** Says what a push is about, in fixed words. */
export function notice({ pairing, urgent, calls, seq }: Call, language: string): Notice {
  const words = wordsOf(language);
  const body = urgent ? words.question : calls > 1 ? words.many.replace("{count}", String(calls)) : words.news;
  return { title: "Dispatch", body, tag: tagOf(pairing, urgent), urgent, data: { pairing, bound: null, about: { task: "", urgent, seq } }, actions: [] };
}

/** Shows what is asked. Yes can be said only to what is shown whole. */
export function question(pairing: string, { host, text, whole, task, question: id }: Waiting, language: string): Notice {
  const words = wordsOf(language);
  const [once, deny] = [{ action: "once", title: words.once }, { action: "deny", title: words.deny }] as const;
  return {
    title: words.asks.replace("{host}", () => oneLine(host)), body: whole ? text : `${text}\n${words.more}`, tag: tagOf(pairing, true, id), urgent: true,
    data: { pairing, bound: { task, question: id }, about: { task, urgent: true, seq: 0 } }, actions: whole ? [once, deny] : [deny],
  };
}

/** Says in the place of a question that an answer came to nothing. */
export function unanswered(pairing: string, { task, question: id }: Bound, became: Exclude<Became, "counts">, language: string): Notice {
  return { title: "Dispatch", body: wordsOf(language)[became], tag: tagOf(pairing, true, id), urgent: false, data: { pairing, bound: null, about: { task, urgent: true, seq: 0 } }, actions: [] };
}

/** The tag of a notification of a kind; of a question that is shown, its own. */
export function tagOf(pairing: string, urgent: boolean, question = ""): string {
  const kind = `${urgent ? "question" : "news"}/${pairing}`;
  return question === "" ? kind : `${kind}/${question}`;
}

/** Whether a tag is of a pairing; `urgent` asks for its questions, and false for its news. */
export function isOf(tag: string, pairing: string, urgent: boolean): boolean {
  const kind = tagOf(pairing, urgent);
  return tag === kind || tag.startsWith(`${kind}/`);
}

function wordsOf(language: string): (typeof WORDS)[keyof typeof WORDS] {
  return language.toLowerCase().startsWith("de") ? WORDS.de : WORDS.en;
}

function counted(said: unknown): number {
  return typeof said === "number" && Number.isSafeInteger(said) && said > 0 ? said : 0;
}
