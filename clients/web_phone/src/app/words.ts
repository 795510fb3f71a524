/** Words on the screen, in the person's language: the catalogue's for reasons and states (docs/words.md), this app's own for everything else. */

import { computed, type Signal, signal } from "@preact/signals";

import { Reason } from "../protocol/dispatch/api/error/v1/error_pb.js";
import { word } from "../protocol/errors.js";
import type { CaseKey, Language, LineKey, PageKey, ReachabilityKey, ReasonKey, Saying, Standing, StateKey, Words } from "../words/keys.js";
import { beside } from "./model/beside.js";
import type { Mark, Said, TaskStory } from "./model/story.js";
import type { Screen, ScreenKey } from "./words/en.js";

export type { ScreenKey };

export const LANGUAGES: readonly { language: Language; name: string }[] = [{ language: "en", name: "English" }, { language: "de", name: "Deutsch" }];

interface Spoken {
  language: Language;
  catalogue: Words;
  /** The same in English, which hosts write. */
  english: Words;
  screen: Screen;
}

const spoken: Signal<Spoken | null> = signal(null);

/** The language that is spoken now. */
export const language = computed(() => spoken.value?.language ?? "en");

/** Speaks a language; nothing is said before the first one is there. Empty: the browser's, else English. */
export async function speak(wanted: string): Promise<void> {
  const heard = [wanted, ...navigator.languages].map((one) => one.slice(0, 2).toLowerCase());
  const found = heard.find((one) => LANGUAGES.some(({ language: known }) => known === one));
  const english = (await import("../words/en.json")).default;
  spoken.value = found === "de"
    ? { language: "de", catalogue: (await import("../words/de.json")).default, screen: (await import("./words/de.js")).default, english }
    : { language: "en", catalogue: english, screen: (await import("./words/en.js")).default, english };
  document.documentElement.lang = spoken.value.language;
}

/** What is put into a sentence; text and nothing else. */
export type Values = Readonly<Record<string, string | number>>;

/** Says something of this app's own. */
export function t(key: ScreenKey, values: Values = {}): string {
  return filled(spoken.value?.screen[key] ?? "", values);
}

/** Says why: what happened, and what to do. A reason that this version does not know is told as one that went wrong. */
export function why(reason: Reason, values: Values = {}): Saying {
  const all: Partial<Record<string, Saying>> = spoken.value?.catalogue.reason ?? {};
  const { sentence, advice } = all[word(reason)] ?? all["INTERNAL"] ?? { sentence: "", advice: "" };
  return { sentence: filled(sentence, values), advice: filled(advice, values) };
}

/** The same for a reason's word, as views have it; null for none. */
export function whyOf(reason: string, values: Values = {}): Saying | null {
  const said = spoken.value?.catalogue.reason[reason as ReasonKey];
  return said === undefined ? null : { sentence: filled(said.sentence, values), advice: filled(said.advice, values) };
}

/** Says what is no reason of its own. */
export function caseWords(key: CaseKey): Saying {
  return spoken.value?.catalogue.case[key] ?? { sentence: "", advice: "" };
}

/** Says why a task stands as it does; null where there is no reason. */
export function causeOf({ state, view }: TaskStory, host: string): Saying | null {
  // The computer has it: what the reason advises is for what it does not have, and what to do the state itself says.
  if (state === "out_of_contact") return { sentence: whyOf(view.away, { host })?.sentence ?? "", advice: "" };
  const { reason } = view;
  // Of a command that was refused it is the other side's disk.
  return reason === "STORE_FAILED" && state === "refused" ? caseWords("STORE_FAILED_THERE") : whyOf(reason, { host });
}

/** Gives what the host wrote at the end of a task beside the sentence of its reason, which `causeOf` says. */
export function besideCause({ view: { said, reason } }: TaskStory): string {
  return spoken.value === null ? "" : beside(said, reason, spoken.value.english, spoken.value.catalogue);
}

/** Says what was answered and by whom, or why nobody did. */
export function answerWords({ approval, text, by, reason }: Said): string {
  if (by !== "") return t("thread.answered", { by, answer: approval === "" ? text : t(`answer.${approval}` as ScreenKey) });
  switch (reason) {
    case Reason.UNSPECIFIED:
    case Reason.NOBODY_ANSWERED: return line("answered_by_nobody");
    case Reason.QUESTION_CLOSED: return line("closed_by_agent");
    default: return line("closed", { why: why(reason).sentence });
  }
}

/** Says a line of the thread that is no task. */
export function markWords(mark: Mark): string {
  switch (mark.kind) {
    case "paired": return t("thread.paired", { name: mark.name });
    case "paired_again": return t("thread.paired_again", { name: mark.name });
    case "missed": {
      const [first, last] = [timeWords(mark.firstMs), timeWords(mark.lastMs)];
      const text = quoted(mark.text);
      const missed = mark.count > 1 ? line("missed_often", { count: mark.count, first, last, text }) : line("missed", { at: first, text });
      return `${missed}. ${why(mark.reason).sentence}`;
    }
    case "restored": return line("restored");
    case "lost": return line("lost", { number: String(mark.number) });
  }
}

/** Says what agents may do on a computer. */
export function may(key: PageKey, values: Values = {}): string {
  return filled(spoken.value?.catalogue.page[key] ?? "", values).trim();
}

/** Says on one line how a task goes. */
export function line(key: LineKey, values: Values = {}): string {
  return filled(spoken.value?.catalogue.line[key] ?? "", values);
}

/** Gives the title of a step; that of a part of what is asked about in the person's language, all others as the agent wrote them. */
export function stepWords(title: string): string {
  const [, number = "", many = ""] = /^What is asked about, part (\d{1,6}) of (\d{1,6})$/.exec(title) ?? [];
  return number === "" ? title : line("part", { number, many });
}

/** Quotes what a person wrote within a sentence: one line, not all of a long one. */
export function quoted(text: string): string {
  const bare = [...new Intl.Segmenter(language.value).segment(text.replace(/\s+/g, " ").trim())].map(({ segment }) => segment);
  const short = bare.length > LONGEST_QUOTE ? [...bare.slice(0, LONGEST_QUOTE - 1), "…"] : bare;
  return t("thread.quoted", { words: short.join("") });
}
const LONGEST_QUOTE = 80;

/** Says how a task stands. */
export function stateWords(state: StateKey, values: Values = {}): Standing {
  const { word: label, sentence } = spoken.value?.catalogue.state[state] ?? { word: "", sentence: "" };
  return { word: label, sentence: filled(sentence, values) };
}

/** Says how a host is. */
export function hostWords(key: ReachabilityKey, values: Values = {}): Standing {
  const { word: label, sentence } = spoken.value?.catalogue.reachability[key] ?? { word: "", sentence: "" };
  return { word: label, sentence: filled(sentence, values) };
}

/** Puts values in the places of a sentence; what was put in is not read again. */
function filled(sentence: string, values: Values): string {
  return sentence.replace(/\{([a-z_]+)\}/g, (place, name: string) => String(values[name] ?? place));
}

/** Writes a number of bytes for people. */
export function bytesWords(bytes: number): string {
  const units = ["B", "kB", "MB", "GB"] as const;
  const at = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  const value = bytes / 1000 ** at;
  // By signs of our own: browsers write "12 byte" beside "12 kB", and what agents and hosts write of sizes is as here.
  return `${new Intl.NumberFormat(language.value, { maximumFractionDigits: value < 10 && at > 0 ? 1 : 0 }).format(value)}\u00a0${units[at] ?? "B"}`;
}

/** Writes when: the time of today, else the day with it; a question mark for what is no moment, since a screen must not fail at one. */
export function timeWords(atMs: number): string {
  if (Number.isNaN(new Date(atMs).getTime())) return "?";
  const [at, now] = [new Date(atMs), new Date()];
  const today = at.toDateString() === now.toDateString();
  return new Intl.DateTimeFormat(language.value, today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" }).format(at);
}
