/**
 * An answer to a question, from the person's tap to the computer's own word on it.
 *
 * A relay's word that it was taken says only that it was handed over (docs/encryption.md "Commands"): an answer counts when the thread
 * says so, under the seal. Whatever is known less well than that is said to be not known.
 */

import { fromBinary } from "@bufbuild/protobuf";

import { equal } from "../../protocol/bytes.js";
import { Reason } from "../../protocol/dispatch/api/error/v1/error_pb.js";
import { ActionSchema, type Answer, type Answered } from "../../protocol/dispatch/api/thread/v1/thread_pb.js";
import { Refused } from "../../protocol/errors.js";
import type { TaskId } from "../../protocol/ids.js";
import type { Command } from "../../protocol/thread/commands.js";
import type { Post } from "../../protocol/thread/store.js";
import { until, type Watched } from "./until.js";

/** What became of an answer: it counts; the question closed otherwise; nothing was said with it; or nobody knows yet. */
export type Became = "counts" | "over" | "not_taken" | "not_known";

/** The same, with why it was not taken. */
export interface Given {
  readonly became: Became;
  readonly why: Refused | null;
}

/** What of a link it takes. */
export interface Answerable extends Watched {
  /** Sends a command that is begun by then, ms on the wall; gives the post that counts, null for none. Rejects with Refused. */
  bring(command: Command, beginByMs: number): Promise<Post | null>;
  /** The answers that the thread has, of all its questions. */
  readonly answered: readonly Answered[];
  isOver(taskId: TaskId): boolean;
}

/** Once it was handed over the computer has so long to say whether it counts, ms. */
export const COUNTS_WITHIN_MS = 10_000;
/** What a refusal says of a question that is not open any more. */
const TOO_LATE: readonly Reason[] = [Reason.QUESTION_CLOSED, Reason.TASK_OVER, Reason.TASK_UNKNOWN];
const NOT_KNOWN: Given = { became: "not_known", why: null };

/** How long it may take, ms: `beginByMs` is on the wall, `countsWithinMs` from when it was handed over. */
export interface Within {
  readonly beginByMs?: number;
  readonly countsWithinMs?: number;
}

/** Gives an answer; `make` makes its command, or throws Refused. It is not begun behind its time. Never rejects. */
export async function give(link: Answerable, make: () => Command, { beginByMs = Infinity, countsWithinMs = COUNTS_WITHIN_MS }: Within = {}): Promise<Given> {
  let command: Command;
  let post: Post | null;
  try {
    command = make();
    post = await link.bring(command, beginByMs);
  } catch (problem) {
    return { became: "not_taken", why: problem instanceof Refused ? problem : new Refused(Reason.INTERNAL) };
  }
  if (post === null || post.verdict === "never_stored") return { became: "not_taken", why: new Refused(Reason.NO_NETWORK) };
  if (post.verdict === "refused") {
    const why = new Refused(Reason[post.reason as keyof typeof Reason], "", post.retryAfterMs);
    return { became: TOO_LATE.includes(why.reason) ? "over" : "not_taken", why };
  }
  const said = answerIn(command);
  if (said === null) return NOT_KNOWN;
  const closed = (): Answered | undefined => link.answered.filter(({ questionId }) => equal(questionId, said.questionId)).at(-1);
  await until(link, () => closed() !== undefined || link.isOver(command.taskId), countsWithinMs);
  const word = closed();
  if (word === undefined) return link.isOver(command.taskId) ? { became: "over", why: null } : NOT_KNOWN;
  const ours = word.reason === Reason.UNSPECIFIED && word.approval === said.approval && word.text === said.text;
  return { became: ours ? "counts" : "over", why: null };
}

function answerIn({ action }: Command): Answer | null {
  const what = fromBinary(ActionSchema, action).action;
  return what.case === "answer" ? what.value : null;
}
