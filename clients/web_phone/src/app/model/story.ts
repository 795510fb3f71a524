/** The thread as a person reads it: pure, from tasks and events. Knows no screen. */

import { fromBinary } from "@bufbuild/protobuf";

import { type Bytes, hex } from "../../protocol/bytes.js";
import { ActionSchema, type Attachment, type Event, type Question } from "../../protocol/dispatch/api/thread/v1/thread_pb.js";
import type { TaskId } from "../../protocol/ids.js";
import { answersTo, isPart } from "../../protocol/thread/facts.js";
import type { Task } from "../../protocol/thread/store.js";
import { mayBeDismissed, OUTCOMES, shownState, type TaskView, UNSENT, WITH_HOST } from "../../protocol/thread/task_view.js";

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
  /** The whole of it, also where it was too long for the question itself. */
  readonly preview: string;
}

/** An answer that was given, and by whom. */
export interface Said {
  readonly text: string;
  readonly by: string;
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
  /** The words of the task before it whose question it waits for; empty when it waits for none that this phone knows. */
  readonly waitsFor: string;
  /** What a person may do with it. */
  readonly may: { cancel: boolean; resend: boolean; drop: boolean; dismiss: boolean };
}

/** A line of the thread that is no task. */
export interface Mark {
  readonly kind: "paired" | "paired_again";
  readonly atMs: number;
  readonly name: string;
}

export type Item = { readonly task: TaskStory } | { readonly mark: Mark };

/** Puts the thread together, oldest first. */
export function thread(tasks: readonly Task[], events: readonly Event[]): Item[] {
  const byTask = new Map<string, Event[]>();
  const items: Item[] = [];
  for (const event of events) {
    if (event.event.case === "paired") {
      items.push({ mark: { kind: event.event.value.again ? "paired_again" : "paired", atMs: Number(event.atMs), name: event.event.value.hostName } });
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
  return items.sort((a, b) => atMs(a) - atMs(b));
}

/** Tells one task; `waitsFor` has the words of the one that it may wait for. */
export function story(task: Task, events: readonly Event[], waitsFor = ""): TaskStory {
  const steps: Told[] = [];
  const artifacts: Attachment[] = [];
  const answers: Said[] = [];
  let asked: Question | null = null;
  let preview = "";
  let parts = ""; // of what is too long for the question behind them
  for (const { event, atMs: at } of events) {
    const before = parts;
    parts = event.case === "step" && isPart(event.value.title) ? before + event.value.detail : "";
    switch (event.case) {
      case "step": steps.push({ atMs: Number(at), title: event.value.title, detail: event.value.detail }); break;
      case "steered": steps.push({ atMs: Number(at), title: event.value.text, detail: "" }); break;
      case "artifact": if (event.value.file !== undefined) artifacts.push(event.value.file); break;
      case "question": asked = event.value; preview = before || asked.preview; break;
      case "answered":
        if (asked !== null && hex(asked.questionId) === hex(event.value.questionId)) asked = null;
        answers.push({ text: APPROVAL_WORDS[event.value.approval] ?? event.value.text, by: event.value.by });
        break;
      case "ended": asked = null; break;
      default: break;
    }
  }
  const { view } = task;
  const state = shownState(view);
  return {
    id: hex(task.taskId), taskId: task.taskId, words: task.text, files: filesOf(task.action), atMs: task.madeAtMs || view.atMs, state, view, steps, artifacts, answers, waitsFor,
    asked: asked === null || OUTCOMES.has(view.state) ? null : { question: asked, choices: answersTo(asked), isApproval: asked.actionDigest.length > 0, preview },
    may: {
      cancel: WITH_HOST.has(view.state) && view.away === "",
      resend: (UNSENT.has(view.state) || view.state === "unconfirmed") && task.action.length > 0,
      drop: UNSENT.has(view.state),
      dismiss: mayBeDismissed(view) && state !== "dismissed",
    },
  };
}

const APPROVAL_WORDS: Readonly<Partial<Record<number, string>>> = { 1: "once", 2: "task", 3: "always", 4: "deny" };

function atMs(item: Item): number {
  return "task" in item ? item.task.atMs : item.mark.atMs;
}

/** Reads which files a task of this phone names. */
export function filesOf(action: Bytes): readonly Attachment[] {
  if (action.length === 0) return [];
  const { action: what } = fromBinary(ActionSchema, action);
  return what.case === "task" ? what.value.attachments : [];
}
