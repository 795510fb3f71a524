/**
 * Approvals that wait, as a notification shows and answers them: what is shown, and an answer that goes to that question and no other.
 *
 * The service worker asks for it, of the page that has the device, or of a link of its own. docs/web-phone.md "Notifications".
 */

import { clock } from "../../ground/clock.js";
import { hex } from "../../protocol/bytes.js";
import { COMMAND_MS, VERDICT_MS } from "../../protocol/thread/sending.js";
import { plain } from "../plain.js";
import { type Became, COUNTS_WITHIN_MS } from "./answering.js";
import type { Link } from "./link.js";
import type { Asked, Item, TaskStory } from "./story.js";
import { until } from "./until.js";

/** An approval that waits. Plain data: it goes from a page to the worker, and with the notification. */
export interface Waiting {
  readonly host: string;
  readonly task: string;
  readonly question: string;
  /** What would be done. */
  readonly text: string;
  /** Whether `text` is all of it. Nobody says yes to what they can't read. */
  readonly whole: boolean;
}

/** What the worker wants. `seq` is the number of the row that the push was for. */
export type Request =
  | { readonly ask: "newest"; readonly pairing: string; readonly seq: number }
  /** `beginByMs`: behind that moment, on the wall, nothing is begun any more: the worker has told the person by then that nothing was. */
  | { readonly ask: "answer"; readonly pairing: string; readonly task: string; readonly question: string; readonly said: "once" | "deny"; readonly beginByMs: number };

/** What the worker says when it waits no longer. */
export const WITHDRAWN = "withdrawn";

/** The answer to a request, and what waits now. */
export interface Reply {
  readonly became: Became | null;
  readonly waiting: Waiting | null;
}

/**
 * A notification has room for so much, characters, on the desktops and lock screens with the least, which draw three lines and cut the rest
 * without a sign. So it is one run of text, with a sign where a line ends.
 */
export const MOST_CHARACTERS = 120;
/** For so long the worker waits for a line to the computer, ms; what it asks for is begun by then, or never. */
export const PATIENCE_MS = 15_000;
/** Whoever began in time knows by then what came of it, ms. */
export const ANSWERED_MS = PATIENCE_MS + COMMAND_MS + VERDICT_MS + COUNTS_WITHIN_MS;

/** Gives the newest approval that waits, but for one. Pure. */
export function newest(items: readonly Item[], host: string, but = ""): Waiting | null {
  const found = open(items).filter(({ asked }) => hex(asked.question.questionId) !== but).at(-1);
  return found === undefined ? null : { host, task: found.id, question: hex(found.asked.question.questionId), ...shown(found.asked) };
}

/** Writes what would be done, as far as there is room. What shows nothing is shown as what it is, also spaces where one can't tell how many. Pure. */
export function shown({ question, preview }: Asked): { text: string; whole: boolean } {
  const asks = plain(question.text);
  const lines = plain(preview.text).split("\n").filter((line) => line.trim() !== "");
  const repeats = lines[0]?.replace(/^\*\*(.*)\*\*$/, "$1?") === asks; // its heading says what is asked
  const all = [...asks.split("\n"), ...(repeats ? lines.slice(1) : lines)].map(spaced).join(" ⏎ ");
  const cut = Array.from(all).slice(0, MOST_CHARACTERS).join("");
  const whole = preview.whole && cut === all;
  return { text: whole ? all : `${cut} …`, whole };
}

function spaced(line: string): string {
  return line.replace(/^\s+|\s+$|\s{2,}|\t/g, (spaces) => "␣".repeat(spaces.length));
}

/** Does what the worker wants, with this link; `withdrawn` says that it wants it no more. */
export async function serve(link: Link, request: Request, withdrawn: AbortSignal): Promise<Reply> {
  const name = link.name;
  if (request.ask === "newest") {
    await until(link, () => link.readTo >= BigInt(request.seq) && link.complete, PATIENCE_MS);
    return { became: null, waiting: newest(link.thread, name) };
  }
  await until(link, () => link.complete && link.standing === "reachable", Math.min(PATIENCE_MS, request.beginByMs - clock.wallMs()));
  const found = open(link.thread).find(({ id, asked }) => id === request.task && hex(asked.question.questionId) === request.question);
  const rest = (): Waiting | null => newest(link.thread, name, request.question);
  if (found === undefined) return { became: link.complete ? "over" : "not_taken", waiting: rest() };
  if (request.said === "once" && !shown(found.asked).whole) return { became: "not_taken", waiting: null };
  if (withdrawn.aborted) return { became: "not_taken", waiting: null };
  const { became } = await link.answer(found.taskId, found.asked, request.said, request.beginByMs);
  return { became, waiting: rest() };
}

/** Has a page answer the worker, for the links that it has. */
export function answerWorker(worker: ServiceWorkerContainer, linkOf: (pairing: string) => Link | undefined): void {
  worker.addEventListener("message", ({ data, ports: [port] }: MessageEvent<unknown>) => {
    if (port === undefined || typeof data !== "object" || data === null || !("ask" in data)) return;
    const request = data as Request; // the worker is of this origin and of this bundle
    const link = linkOf(request.pairing);
    if (link === undefined) {
      port.postMessage(null);
      return;
    }
    const withdrawn = new AbortController();
    port.onmessage = ({ data: said }) => { if (said === WITHDRAWN) withdrawn.abort(); };
    void serve(link, request, withdrawn.signal).then((reply) => { port.postMessage(reply); }, () => { port.postMessage(null); });
  });
}

function open(items: readonly Item[]): (TaskStory & { asked: Asked })[] {
  return items.flatMap((item) => ("task" in item && item.task.asked?.isApproval === true ? [{ ...item.task, asked: item.task.asked }] : []));
}
