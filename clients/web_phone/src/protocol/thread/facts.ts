/** What a phone knows of a task: facts in the order in which it learnt them. Kept in the store, read by `task_view`. */

import { hex } from "../bytes.js";
import { Outcome } from "../dispatch/api/relay/v1/relay_pb.js";
import { type Answered, Approval, type Event, type Question } from "../dispatch/api/thread/v1/thread_pb.js";
import { Reason } from "../dispatch/api/error/v1/error_pb.js";
import { word } from "../errors.js";

/** What was learnt, and from whom; the words of docs/phone.md. */
export type FactKind =
  // The phone's own.
  | "sent" | "not_sent" | "unconfirmed" | "dropped" | "out_of_contact" | "back" | "dismissed"
  // The relay's word.
  | "handed_over" | "taken" | "refused" | "never_stored"
  // The host's word, under the seal.
  | "accepted" | "scheduled" | "waiting" | "started" | "step" | "text" | "asking" | "answered" | "artifact" | "ended";

/** One thing learnt about one task. Fields that a kind does not use are absent. */
export interface Fact {
  readonly kind: FactKind;
  /** For people: the host's clock for its own words, the phone's for all others. */
  readonly atMs: number;
  readonly attempt?: number;
  /** The word of a reason of the contract. */
  readonly reason?: string;
  readonly retryAfterMs?: number;
  /** Step: its title. Artifact: its name. Text: Markdown. Asking: the question. Answered: the answer. Ended: the host's sentence. */
  readonly text?: string;
  /** Step: more. Asking: the preview. Artifact: the file's id. Waiting: the task that asks, in hex, if it is this phone's. */
  readonly detail?: string;
  /** Ended: the word of an outcome, in small letters. */
  readonly outcome?: OutcomeWord;
  readonly position?: number;
  /** Waiting: whether the task before all asks a person. */
  readonly waitsForAnswer?: boolean;
  /** Of an artifact, bytes. */
  readonly size?: number;
  readonly agent?: string;
  readonly questionId?: string;
  readonly choices?: readonly string[];
  /** Answered: whose device said so. */
  readonly by?: string;
}

export type OutcomeWord = "done" | "failed" | "cancelled" | "interrupted" | "denied" | "timed_out";

const OUTCOMES: Readonly<Partial<Record<Outcome, OutcomeWord>>> = {
  [Outcome.DONE]: "done",
  [Outcome.FAILED]: "failed",
  [Outcome.CANCELLED]: "cancelled",
  [Outcome.INTERRUPTED]: "interrupted",
  [Outcome.DENIED]: "denied",
  [Outcome.TIMED_OUT]: "timed_out",
};
/** The words of an approval, as people and other programs say them. */
export const APPROVALS: ReadonlyMap<Approval, string> = new Map([
  [Approval.ONCE, "once"], [Approval.TASK, "task"], [Approval.ALWAYS, "always"], [Approval.DENY, "deny"],
]);

/** Gives what an event says of its task; null when it says nothing of one. */
export function factOf({ event, atMs: at }: Event): Fact | null {
  const atMs = Number(at);
  switch (event.case) {
    case "accepted": return { kind: "accepted", atMs, attempt: event.value.attempt };
    case "scheduled": return { kind: "scheduled", atMs, text: event.value.text };
    case "waiting": return { kind: "waiting", atMs, position: event.value.position, waitsForAnswer: event.value.asking, detail: hex(event.value.askingTaskId) };
    case "started": return { kind: "started", atMs, agent: event.value.agent };
    case "step": return { kind: "step", atMs, text: event.value.title, detail: event.value.detail };
    case "resultText": return { kind: "text", atMs, text: event.value.text };
    case "question": return { kind: "asking", atMs, ...asked(event.value) };
    case "answered": return { kind: "answered", atMs, ...closed(event.value) };
    case "artifact": {
      const file = event.value.file;
      return { kind: "artifact", atMs, text: file?.name ?? "", detail: hex(file?.fileId ?? new Uint8Array()), size: Number(file?.size ?? 0n) };
    }
    case "ended": {
      const { outcome, reason, text } = event.value;
      // An outcome that this version does not know is a failure.
      return { kind: "ended", atMs, outcome: OUTCOMES[outcome] ?? "failed", reason: reasonWord(reason), text };
    }
    default: return null;
  }
}

/** Gives the title of a step that is a part of what is asked about: what is too long for the event of its question. The host sees to it that no agent's own step has such a title. */
export function partTitle(number: number, many: number): string {
  return `What is asked about, part ${number} of ${many}`;
}

/** Lists the words that answer a question; none where any words do. */
export function answersTo(question: Question): string[] {
  if (question.actionDigest.length === 0) return question.choices;
  return question.rule === "" ? ["once", "deny"] : ["once", "task", "always", "deny"];
}

function asked(question: Question): Omit<Fact, "kind" | "atMs"> {
  return { text: question.text, detail: question.preview, questionId: hex(question.questionId), choices: answersTo(question) };
}

function closed({ questionId, approval, text, by, reason }: Answered): Omit<Fact, "kind" | "atMs"> {
  return { text: APPROVALS.get(approval) ?? text, questionId: hex(questionId), by, reason: reasonWord(reason) };
}

function reasonWord(reason: Reason): string {
  return reason === Reason.UNSPECIFIED ? "" : word(reason);
}
