/** What a person wants of the host: tasks, words for a running one, its end, an answer. And how an attempt of it is written. */

import { create, toBinary } from "@bufbuild/protobuf";

import { type Bytes, utf8 } from "../bytes.js";
import { Reason } from "../dispatch/api/error/v1/error_pb.js";
import {
  ActionSchema, type Answer, AnswerSchema, Approval, type Attachment, type Question, UpCommandSchema,
} from "../dispatch/api/thread/v1/thread_pb.js";
import { Refused } from "../errors.js";
import { ID_BYTES, type PairId, type Rng, type TaskId } from "../ids.js";
import type { Signer } from "../keys.js";
import type { Head } from "../sealed/head.js";
import { LONGEST_BODY } from "../sealed/frame.js";
import { taskWords } from "../sealed/history.js";
import { answersTo, APPROVALS } from "./facts.js";
import type { What } from "./store.js";

export const LONGEST_TEXT_BYTES = 48 * 1024;
export const LONGEST_STEER_BYTES = 12 * 1024;
export const LONGEST_ANSWER_BYTES = 12 * 1024;
export const MOST_ATTACHMENTS = 16;
/** An action with what stands around it fits one sealed frame. */
export const LONGEST_ACTION_BYTES = LONGEST_BODY - 512;

/** What a person wants. `action` is a serialized Action: exactly what is signed, the same bytes in every attempt. */
export interface Command {
  readonly taskId: TaskId;
  readonly what: What;
  readonly action: Bytes;
  /** Of a task: its words. */
  readonly text: string;
}

/** Says no to words that need not go anywhere to be refused; null for all others. Nothing recurs on a phone's word, and the computer says the same. */
export function refusedHere(text: string): Refused | null {
  return text.trim().split(/\s/, 1)[0]?.toLowerCase() === "/schedule" ? new Refused(Reason.SCHEDULE_ON_HOST) : null;
}

/** Asks for work. Each attachment has arrived whole before the task is sent. Throws BAD_REQUEST. */
export function task(taskId: TaskId, text: string, attachments: Attachment[] = []): Command {
  checkWords(text, LONGEST_TEXT_BYTES);
  if (attachments.length > MOST_ATTACHMENTS) throw new Refused(Reason.BAD_REQUEST, `at most ${MOST_ATTACHMENTS} files`, 0, { field: "attach" });
  const action = create(ActionSchema, { action: { case: "task", value: { text, attachments } }, actionId: taskId });
  return { taskId, what: "task", text, action: toBinary(ActionSchema, action) };
}

/** Adds words to a task that runs. Throws BAD_REQUEST. */
export function steer(taskId: TaskId, text: string, rng: Rng): Command {
  checkWords(text, LONGEST_STEER_BYTES);
  const action = create(ActionSchema, { action: { case: "steer", value: { text } }, actionId: rng(ID_BYTES) });
  return { taskId, what: "steer", text: "", action: toBinary(ActionSchema, action) };
}

/** Ends a task, whether it waits or runs. */
export function cancel(taskId: TaskId, rng: Rng): Command {
  const action = create(ActionSchema, { action: { case: "cancel", value: {} }, actionId: rng(ID_BYTES) });
  return { taskId, what: "cancel", text: "", action: toBinary(ActionSchema, action) };
}

/** Answers a question of a task: an approval's word, a choice, or any words where there are none to choose from. Throws BAD_REQUEST. */
export function answer(taskId: TaskId, question: Question, said: string, rng: Rng): Command {
  const value = answerOf(question, said.trim());
  const action = create(ActionSchema, { action: { case: "answer", value }, actionId: rng(ID_BYTES) });
  return { taskId, what: "answer", text: "", action: toBinary(ActionSchema, action) };
}

const BY_WORD: ReadonlyMap<string, Approval> = new Map([...APPROVALS].map(([approval, said]) => [said, approval]));

function answerOf(question: Question, said: string): Answer {
  const possible = answersTo(question);
  const { questionId } = question;
  if (said === "" || (possible.length > 0 && !possible.includes(said))) throw new Refused(Reason.BAD_REQUEST, "no such answer", 0, { field: "answer" });
  if (possible.length === 0) checkWords(said, LONGEST_ANSWER_BYTES);
  const approval = question.actionDigest.length > 0 ? BY_WORD.get(said) : undefined;
  return create(AnswerSchema, approval === undefined ? { questionId, text: said } : { questionId, approval });
}

/** One attempt: what stands around the action. */
export interface Attempt {
  pairId: PairId;
  attempt: number;
  /** On the epoch clock, ms. */
  deadlineMs: number;
  /** The phone's head. */
  head: Head;
  sign: Signer;
}

/** Writes the body of an attempt, signed. */
export async function bodyOf(command: Command, { pairId, attempt, deadlineMs, head, sign }: Attempt): Promise<Bytes> {
  const { taskId, action } = command;
  const signature = await sign(taskWords({ pairId, taskId, attempt, body: action, head }));
  const body = create(UpCommandSchema, { pairId, taskId, attempt, deadlineMs: BigInt(Math.round(deadlineMs)), action, head: { ...head }, signature });
  return toBinary(UpCommandSchema, body);
}

/** Refuses what fits no frame: before anything of it is kept. Throws BAD_REQUEST. */
export function checkSize({ action }: Command): void {
  if (action.length > LONGEST_ACTION_BYTES) throw new Refused(Reason.BAD_REQUEST, `at most ${LONGEST_ACTION_BYTES} bytes`, 0, { field: "action" });
}

function checkWords(text: string, mostBytes: number): void {
  if (text.trim() === "" || utf8(text).length > mostBytes) throw new Refused(Reason.BAD_REQUEST, `some words, at most ${mostBytes} bytes`, 0, { field: "text" });
}
