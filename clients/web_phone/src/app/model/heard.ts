/** What of a thread is worth saying aloud to somebody who can't see it: pure, from how it stood to how it stands. Knows no screen and no words. */

import type { Added, Item, Mark, ShownState, TaskStory } from "./story.js";

/** How a task stood when it was looked at last. */
interface Stood {
  readonly state: ShownState;
  readonly steps: number;
  readonly question: unknown;
  readonly added: number;
}

/** How all of them stood, by id; and which marks stood between them. */
export interface Stand {
  readonly tasks: ReadonlyMap<string, Stood>;
  readonly marks: ReadonlySet<bigint>;
}

/** One thing to say. A question says itself, so its task's *asks you* is left out. */
export type News =
  | { readonly what: "mark"; readonly mark: Mark }
  | { readonly what: "added"; readonly added: Added }
  | { readonly what: "asks" | "state"; readonly task: TaskStory }
  | { readonly what: "step"; readonly task: TaskStory; readonly title: string };

/** On its way: too short-lived, and what comes behind says it again. */
const PASSING: ReadonlySet<ShownState> = new Set(["new", "sent", "handed_over"]);

/** Gives what changed since. The first look has nothing to say: a reader reads what is there. */
export function news(before: Stand | null, items: readonly Item[]): { now: Stand; said: readonly News[] } {
  const tasks = new Map<string, Stood>();
  const marks = new Set<bigint>();
  const said: News[] = [];
  for (const item of items) {
    if (!("task" in item)) {
      const { mark } = item;
      marks.add(mark.number);
      if (before?.marks.has(mark.number) === false) said.push({ what: "mark", mark });
      continue;
    }
    const { task } = item;
    const stood = before?.tasks.get(task.id);
    const stands = { state: task.state, steps: task.steps.length, question: task.asked?.question.questionId ?? null, added: task.added.length };
    tasks.set(task.id, stands);
    const step = task.steps.at(-1);
    if (stands.question !== null && stands.question !== stood?.question) said.push({ what: "asks", task });
    else if (stands.state !== stood?.state && !PASSING.has(stands.state)) said.push({ what: "state", task });
    else if (step !== undefined && stands.steps > (stood?.steps ?? 0) && stands.state === "running") said.push({ what: "step", task, title: step.title });
    said.push(...task.added.slice(stood?.added ?? 0).map((added) => ({ what: "added", added }) as const));
  }
  return { now: { tasks, marks }, said: before === null ? [] : said };
}
