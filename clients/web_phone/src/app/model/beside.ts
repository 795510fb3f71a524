/**
 * What a host wrote at the end of a task beside its reason's sentence: pure. docs/words.md "Who speaks which language".
 *
 * A host writes in English, because it does not know who will read it. A card says the reason in the person's language already.
 */

import type { ReasonKey, Saying, Words } from "../../words/keys.js";

type Sayings = Pick<Words, "reason" | "case">;

/** Leaves out the reason's own words where a text begins with them, and says those of a case in the person's language; what the host added stays as it came. */
export function beside(text: string, reason: string, english: Sayings, spoken: Sayings): string {
  const of = english.reason[reason as ReasonKey] as Saying | undefined; // the word may be of a later version
  const known: (readonly [string, string])[] = of === undefined ? [] : [[of.sentence, ""], [of.advice, ""]];
  for (const [key, { sentence, advice }] of Object.entries(english.case)) {
    const said = spoken.case[key as keyof Words["case"]];
    known.push([sentence, said.sentence], [advice, said.advice]);
  }
  const told: string[] = [];
  let rest = text.trim();
  for (;;) {
    const found = known.find(([begins]) => rest === begins || (rest.startsWith(begins) && /^\s/.test(rest.slice(begins.length))));
    if (found === undefined) return [...told, rest].filter((one) => one !== "").join(" ");
    told.push(found[1]);
    rest = rest.slice(found[0].length).trimStart();
  }
}
