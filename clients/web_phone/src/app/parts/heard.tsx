/**
 * What is read aloud: one place for the whole page, in whole sentences. The thread itself is silent, or each piece of an answer and each
 * percent of a file would be read as it comes.
 */

import { type Signal, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import type { Link } from "../model/link.js";
import { news, type News, type Stand } from "../model/heard.js";
import { causeOf, line, markWords, stateWords, stepWords, t } from "../words.js";

const said: Signal<readonly { id: number; words: string }[]> = signal([]);
const KEPT = 3; // a reader that is behind may still come to them
let count = 0; // what keeps its number is not read again

/** Says something to who can't see it, when the reader is done with what it reads. */
export function say(words: string): void {
  said.value = [...said.value, { id: ++count, words }].slice(-KEPT);
}

/** Where it is said. */
export function Heard() {
  return <div class="unseen heard" role="log" aria-live="polite">{said.value.map(({ id, words }) => <p key={id}>{words}</p>)}</div>;
}

/** Says what changes in a thread while it is shown. */
export function useHeard(link: Link): void {
  const stand = useRef<Stand | null>(null);
  useEffect(() => {
    const { now, said: fresh } = news(stand.current, link.thread);
    stand.current = now;
    for (const one of fresh) say(sentence(one, link.name));
  }, [link, link.thread]);
}

function sentence(one: News, host: string): string {
  switch (one.what) {
    case "mark": return markWords(one.mark);
    case "added": return line(one.added.late ? "steered_too_late" : "steered", { text: one.added.text });
    case "asks": return `${t("ask.title", { host })}: ${one.task.asked?.question.text ?? ""}`;
    case "step": return stepWords(one.title);
    case "state": {
      const { task } = one;
      const words = task.words || t("thread.scheduled", { host });
      return [`${words}: ${stateWords(task.state, { host }).word}.`, causeOf(task, host)?.sentence ?? ""].join(" ").trim();
    }
  }
}
