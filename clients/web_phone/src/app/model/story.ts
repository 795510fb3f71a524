/** The thread as a person reads it: pure, from tasks and events. Knows no screen. */

import { fromBinary } from "@bufbuild/protobuf";

import { type Bytes, hex } from "../../protocol/bytes.js";
import type { Reason } from "../../protocol/dispatch/api/error/v1/error_pb.js";
import { ActionSchema, type Attachment, type Event, type Question } from "../../protocol/dispatch/api/thread/v1/thread_pb.js";
import type { TaskId } from "../../protocol/ids.js";
import { answersTo, APPROVALS } from "../../protocol/thread/facts.js";
import type { Task } from "../../protocol/thread/store.js";
import { mayBeDismissed, OUTCOMES, shownState, type TaskView, UNSENT, WITH_HOST } from "../../protocol/thread/task_view.js";
import { type Preview, previewOf } from "./preview.js";

export type ShownState = ReturnType<typeof shownState>;

/** One step of the agent. */
export interface Told {
  readonly atMs: number;
  readonly title: string;
  readonly detail: string;
}

/** What is asked, and still open. `choices` is empty where any words do. */
export interface Asked {
  readonly question: Question;
  readonly choices: readonly string[];
  readonly isApproval: boolean;
  /** What exactly would be done; `whole` says whether it is all here. */
  readonly preview: Preview;
}

/** An answer that was given, and by whom; with nobody there, the reason for which the question closed. */
export interface Said {
  /** The word of an approval; empty for an answer to a question of the agent's own, whatever its words are. */
  readonly approval: string;
  readonly text: string;
  readonly by: string;
  readonly reason: Reason;
}

/** Words that a person added while it ran. `late`: its agent never took them. */
export interface Added {
  readonly text: string;
  readonly late: boolean;
}

/** One task with all that is known of it. */
export interface TaskStory {
  readonly id: string;
  readonly taskId: TaskId;
  readonly words: string;
  readonly files: readonly Attachment[];
  readonly atMs: number;
  readonly state: ShownState;
  readonly view: TaskView;
  readonly steps: readonly Told[];
  readonly artifacts: readonly Attachment[];
  readonly asked: Asked | null;
  readonly answers: readonly Said[];
  readonly added: readonly Added[];
  /** The number of its newest event that a person is called for: a question, or its end; 0 for none. */
  readonly calledAt: bigint;
  /** The words of the task before it whose question it waits for; empty when it waits for none that this phone knows. */
  readonly waitsFor: string;
  /** What a person may do with it. */
  readonly may: { cancel: boolean; resend: boolean; drop: boolean; dismiss: boolean };
}

/** A line of the thread that is no task. `number` is its place in the host's thread. */
export type Mark = { readonly atMs: number; readonly number: bigint } & (
  | { readonly kind: "paired" | "paired_again"; readonly name: string }
  /** What the host should have begun by itself and did not, once or more. */
  | { readonly kind: "missed"; readonly text: string; readonly firstMs: number; readonly lastMs: number; readonly count: number; readonly reason: Reason }
  /** The host was set back. */
  | { readonly kind: "restored" }
  /** The host no longer has what stood here. */
  | { readonly kind: "lost" }
);

export type Item = { readonly task: TaskStory } | { readonly mark: Mark };

/** Puts the thread together, oldest first. `lost` are the marks of what the host no longer had, which no event tells. */
export function thread(tasks: readonly Task[], events: readonly Event[], lost: readonly Mark[] = []): Item[] {
  const byTask = new Map<string, Event[]>();
  const items: Item[] = [];
  for (const event of events) {
    const mark = markOf(event);
    if (mark !== null) {
      items.push({ mark });
    } else if (event.taskId.length > 0) {
      const id = hex(event.taskId);
      const known = byTask.get(id);
      if (known === undefined) byTask.set(id, [event]);
      else known.push(event);
    }
  }
  const words = new Map(tasks.map((task) => [hex(task.taskId), task.text]));
  for (const task of tasks) {
    if (task.view.state === "dropped") continue;
    items.push({ task: story(task, byTask.get(hex(task.taskId)) ?? [], words.get(task.view.askingTaskId) ?? "") });
  }
  items.push(...lost.map((mark) => ({ mark }))); // behind what is of the same time
  return items.sort((a, b) => atMs(a) - atMs(b));
}

function markOf({ event, atMs: at, number }: Event): Mark | null {
  const where = { atMs: Number(at), number };
  switch (event.case) {
    case "paired": return { ...where, kind: event.value.again ? "paired_again" : "paired", name: event.value.hostName };
    case "missed": {
      const { text, fromMs, toMs, count, reason } = event.value;
      return { ...where, kind: "missed", text, firstMs: Number(fromMs), lastMs: Number(toMs), count, reason };
    }
    case "restored": return { ...where, kind: "restored" };
    default: return null;
  }
}

/** Tells one task; `waitsFor` has the words of the one that it may wait for. */
export function story(task: Task, events: readonly Event[], waitsFor = ""): TaskStory {
  const steps: Told[] = [];
  const artifacts: Attachment[] = [];
  const answers: Said[] = [];
  const added: Added[] = [];
  let asked: Question | null = null;
  let preview: Preview = { text: "", whole: true };
  let run = 0; // behind so many steps nothing came but steps
  let calledAt = 0n;
  for (const { event, atMs: at, number } of events) {
    if (event.case === "question" || event.case === "ended") calledAt = number;
    switch (event.case) {
      case "step": steps.push({ atMs: Number(at), title: event.value.title, detail: event.value.detail }); break;
      case "steered": added.push({ text: event.value.text, late: false }); break;
      case "steerRefused": added.push({ text: event.value.text, late: true }); break;
      case "artifact": if (event.value.file !== undefined) artifacts.push(event.value.file); break;
      case "question": asked = event.value; preview = previewOf(asked, steps.slice(run)); break;
      case "answered":
        if (asked !== null && hex(asked.questionId) === hex(event.value.questionId)) asked = null;
        answers.push({ approval: APPROVALS.get(event.value.approval) ?? "", text: event.value.text, by: event.value.by, reason: event.value.reason });
        break;
      case "ended": asked = null; break;
      default: break;
    }
    if (event.case !== "step") run = steps.length;
  }
  const { view } = task;
  const state = shownState(view);
  return {
    id: hex(task.taskId), taskId: task.taskId, words: task.text, files: filesOf(task.action), atMs: task.madeAtMs || view.atMs, state, view, steps, artifacts, answers, added, calledAt, waitsFor,
    asked: asked === null || OUTCOMES.has(view.state) ? null : { question: asked, choices: answersTo(asked), isApproval: asked.actionDigest.length > 0, preview },
    may: {
      cancel: WITH_HOST.has(view.state) && view.away === "",
      resend: (UNSENT.has(view.state) || view.state === "unconfirmed") && task.action.length > 0,
      drop: UNSENT.has(view.state),
      dismiss: mayBeDismissed(view) && state !== "dismissed",
    },
  };
}

/**
 * Whether a card says already why its host is away, by the reason's word, and what to do: a task that is out of contact for it, of which
 * nothing is to be sent again; or the newest, that did not get there for it.
 */
export function saysWhyAway(items: readonly Item[], reason: string): boolean {
  const tasks = items.flatMap((item) => ("task" in item ? [item.task] : []));
  const newest = tasks.at(-1);
  return tasks.some(({ state, view }) => state === "out_of_contact" && view.away === reason)
    || (newest !== undefined && UNSENT.has(newest.view.state) && newest.view.reason === reason);
}

function atMs(item: Item): number {
  return "task" in item ? item.task.atMs : item.mark.atMs;
}

/** Reads which files a task of this phone names. */
export function filesOf(action: Bytes): readonly Attachment[] {
  if (action.length === 0) return [];
  const { action: what } = fromBinary(ActionSchema, action);
  return what.case === "task" ? what.value.attachments : [];
}
