/** What becomes of an answer: it counts on the computer's own word, and on nobody else's. */

import { signal } from "@preact/signals";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";

import { type Answerable, give, type Given } from "../../src/app/model/answering.js";
import { Reason } from "../../src/protocol/dispatch/api/error/v1/error_pb.js";
import { type Answered, AnsweredSchema, Approval, QuestionSchema } from "../../src/protocol/dispatch/api/thread/v1/thread_pb.js";
import { Refused } from "../../src/protocol/errors.js";
import type { TaskId } from "../../src/protocol/ids.js";
import { answer, type Command } from "../../src/protocol/thread/commands.js";
import type { Post, Verdict } from "../../src/protocol/thread/store.js";

const taskId = new Uint8Array(16).fill(7) as TaskId;
const questionId = new Uint8Array(16).fill(9);
const question = create(QuestionSchema, { questionId, text: "May I?", actionDigest: new Uint8Array(32) });
const once = (): Command => answer(taskId, question, "once", (length) => new Uint8Array(length));

/** A link whose relay gives a verdict, and whose computer says what it says when the answer is there. */
class Desk implements Answerable {
  readonly changed = signal(0);
  readonly brought: number[] = [];
  answered: readonly Answered[] = [];
  over = false;

  constructor(
    private readonly verdict: Verdict | null,
    private readonly behind: () => void = () => undefined,
    private readonly reason = "",
  ) {}

  async bring(command: Command, beginByMs: number): Promise<Post | null> {
    this.brought.push(beginByMs);
    setTimeout(() => {
      this.behind();
      this.changed.value++;
    });
    const post = { messageId: taskId, taskId, what: command.what, attempt: 1, reason: this.reason, retryAfterMs: 0 } as unknown as Post;
    return Promise.resolve(this.verdict === null ? null : { ...post, verdict: this.verdict });
  }

  isOver(): boolean {
    return this.over;
  }

  says(closed: MessageInitShape<typeof AnsweredSchema>): void {
    this.answered = [create(AnsweredSchema, { questionId, ...closed })];
  }
}

/** `countsWithinMs`: for a computer that says nothing the wait is short, for all others it is no matter of time. */
async function became(desk: Desk, countsWithinMs = 600_000): Promise<Given["became"]> {
  return (await give(desk, once, { countsWithinMs })).became;
}

describe("an answer that the relay says was taken", () => {
  it.each(["taken", "open", "unknown"] as const)("counts when the computer says so, whatever the relay's word on it is: %s", async (verdict) => {
    const desk: Desk = new Desk(verdict, () => { desk.says({ approval: Approval.ONCE, by: "phone" }); });

    expect(await became(desk)).toBe("counts");
  });

  it.each([
    ["another answer counts", { approval: Approval.DENY, by: "desk" }],
    ["nobody answered in time", { reason: Reason.NOBODY_ANSWERED }],
  ])("did nothing where %s", async (_, closed) => {
    const desk: Desk = new Desk("taken", () => { desk.says(closed); });

    expect(await became(desk)).toBe("over");
  });

  it("did nothing where its task is over", async () => {
    const desk: Desk = new Desk("taken", () => { desk.over = true; });

    expect(await became(desk)).toBe("over");
  });

  it.each(["taken", "open", "unknown"] as const)("is not known to count while the computer says nothing: %s", async (verdict) => {
    expect(await became(new Desk(verdict), 1)).toBe("not_known");
  });

  it("is not taken for the answer to another question", async () => {
    const desk = new Desk("taken");
    desk.says({ questionId: taskId, approval: Approval.ONCE });

    expect(await became(desk, 1)).toBe("not_known");
  });
});

it("an answer that never went, or was refused, says why", async () => {
  expect(await give(new Desk(null), once)).toMatchObject({ became: "not_taken", why: { reason: Reason.NO_NETWORK } });
  expect(await give(new Desk("never_stored"), once)).toMatchObject({ became: "not_taken", why: { reason: Reason.NO_NETWORK } });
  expect(await give(new Desk("refused", undefined, "HOST_ASLEEP"), once)).toMatchObject({ became: "not_taken", why: { reason: Reason.HOST_ASLEEP } });
  expect(await give(new Desk("refused", undefined, "QUESTION_CLOSED"), once)).toMatchObject({ became: "over", why: { reason: Reason.QUESTION_CLOSED } });
});

it("an answer that can't be one goes nowhere", async () => {
  const desk = new Desk("taken");
  const no = (): Command => { throw new Refused(Reason.BAD_REQUEST); };

  expect(await give(desk, no)).toMatchObject({ became: "not_taken", why: { reason: Reason.BAD_REQUEST } });
  expect(desk.brought).toEqual([]);
});
