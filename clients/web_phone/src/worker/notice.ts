/** What a push says, as a notification: fixed words and nothing of what was written, which no lock screen should show. Pure. docs/push.md. */

/** A notification. */
export interface Notice {
  readonly title: string;
  readonly body: string;
  readonly tag: string;
  readonly pairing: string;
  /** Whether somebody waits for an answer. */
  readonly urgent: boolean;
}

const WORDS = {
  en: { question: "Your computer asks you something.", news: "There is news from your computer.", many: "There is news of {count} tasks." },
  de: { question: "Dein Rechner fragt dich etwas.", news: "Dein Rechner hat Neuigkeiten.", many: "Es gibt Neuigkeiten zu {count} Aufgaben." },
} as const;

/** Reads a push; null for what is none of ours. */
export function noticeOf(written: string, language: string): Notice | null {
  let said: unknown;
  try {
    said = JSON.parse(written);
  } catch {
    return null;
  }
  if (typeof said !== "object" || said === null) return null;
  const { v, pairing, hint, calls } = said as Partial<Record<string, unknown>>;
  if (v !== 1 || typeof pairing !== "string" || !/^[0-9a-f]{32}$/.test(pairing)) return null;
  const words = language.toLowerCase().startsWith("de") ? WORDS.de : WORDS.en;
  const urgent = hint === "question";
  const count = typeof calls === "number" && calls > 1 ? calls : 1;
  const body = urgent ? words.question : count > 1 ? words.many.replace("{count}", String(count)) : words.news;
  return { title: "Dispatch", body, tag: `${urgent ? "question" : "news"}/${pairing}`, pairing, urgent };
}
