/** What a notification says, and to which question its answers go. */

import { create } from "@bufbuild/protobuf";
import { signal } from "@preact/signals";
import { expect, it } from "vitest";

import type { Given } from "../../src/app/model/answering.js";
import { MOST_CHARACTERS, newest, serve, shown } from "../../src/app/model/approvals.js";
import type { Link } from "../../src/app/model/link.js";
import type { Asked, Item } from "../../src/app/model/story.js";
import { QuestionSchema } from "../../src/protocol/dispatch/api/thread/v1/thread_pb.js";
import { callOf, isOf, notice, question, tagOf, unanswered } from "../../src/worker/notice.js";

const pairing = "0".repeat(32);

function asked(text: string, preview = "", id = 9, isApproval = true, whole = true): Asked {
  return { question: create(QuestionSchema, { questionId: new Uint8Array(16).fill(id), text }), choices: ["once", "deny"], isApproval, preview: { text: preview, whole } };
}

function item(id: string, of: Asked | null): Item {
  return { task: { id, asked: of } } as unknown as Item; // all that is read of it
}

it("a push that is none of ours says nothing, and one that is says nothing of what was written", () => {
  for (const written of ["", "{", "[]", "null", '{"v":2}', '{"v":1,"pairing":"<b>","hint":"news"}']) expect(callOf(written)).toBeNull();
  const call = callOf(`{"v":1,"pairing":"${pairing}","hint":"question","seq":7,"calls":2,"text":"secret"}`);
  expect(call).toEqual({ pairing, urgent: true, seq: 7, calls: 2 });
  expect(call && notice(call, "de-DE")).toEqual({
    title: "Dispatch", body: "Dein Computer fragt dich etwas.", tag: `question/${pairing}`, urgent: true,
    data: { pairing, bound: null, about: { task: "", urgent: true, seq: 7 } }, actions: [],
  });
});

it("what a push counts is a number or one", () => {
  for (const calls of ['"<b>"', "-3", "1e400", "0.5", "{}"]) expect(callOf(`{"v":1,"pairing":"${pairing}","hint":"news","calls":${calls}}`)?.calls).toBe(1);
});

it("a question that is shown whole can be answered both ways, and the answers are bound to it", () => {
  const waiting = newest([item("aa", asked("Delete 3 files?", "- a.txt"))], "Desk");
  expect(waiting).toEqual({ host: "Desk", task: "aa", question: "09".repeat(16), text: "Delete 3 files? ⏎ - a.txt", whole: true });
  const said = waiting && question(pairing, waiting, "en");
  expect(said?.actions.map(({ action }) => action)).toEqual(["once", "deny"]);
  expect(said?.data).toEqual({ pairing, bound: { task: "aa", question: "09".repeat(16) }, about: { task: "aa", urgent: true, seq: 0 } });
  expect(said?.body).toBe("Delete 3 files? ⏎ - a.txt");
});

it("nobody says yes to what they can't read whole", () => {
  for (const preview of ["x".repeat(MOST_CHARACTERS), "a\n".repeat(30)]) {
    const { text, whole } = shown(asked("Run this?", preview));
    expect(whole).toBe(false);
    const said = question(pairing, { host: "Desk", task: "aa", question: "09", text, whole }, "en");
    expect(said.actions.map(({ action }) => action)).toEqual(["deny"]);
    expect(said.body).toContain("There is more");
  }
  expect(shown(asked("Run this?", "ls", 9, true, false))).toEqual({ text: "Run this? ⏎ ls …", whole: false }); // parts of it are not here
});

it("a heading that says once more what is asked takes no room", () => {
  expect(shown(asked("New folder tax?", "**New folder tax**\n\nIn `files`:\n\n- new folder `tax`")).text).toBe("New folder tax? ⏎ In `files`: ⏎ - new folder `tax`");
});

it("what would make text look like other text, or nothing, is shown as what it is, and each space where there is more than one", () => {
  expect(shown(asked("run a\u202etxt.exe\r\u0007\u2028now")).text).toBe("run a⟨U+202E⟩txt.exe␍␇⟨U+2028⟩now");
  expect(shown(asked("Delete these?", "\n\n`a  b` \u3164\n\tc")).text).toBe("Delete these? ⏎ `a␣␣b` ⟨U+3164⟩ ⏎ ␣c");
});

it("the newest approval is shown; questions of an agent's own and that which was just answered are not", () => {
  const items = [item("aa", asked("first", "", 1)), item("bb", asked("second", "", 2)), item("cc", asked("which colour?", "", 3, false)), item("dd", null)];
  expect(newest(items, "Desk")?.task).toBe("bb");
  expect(newest(items, "Desk", "02".repeat(16))?.task).toBe("aa");
  expect(newest([], "Desk")).toBeNull();
});

it("each question has a notification of its own: a tap that was meant for one does not answer the next that takes its place", () => {
  const [first, second] = ["aa", "bb"].map((id) => question(pairing, { host: "Desk", task: id, question: id.repeat(16), text: "Go?", whole: true }, "en").tag);

  expect(first).not.toBe(second);
  for (const tag of [first ?? "", second ?? "", tagOf(pairing, true)]) expect([isOf(tag, pairing, true), isOf(tag, pairing, false), isOf(tag, "1".repeat(32), true)]).toEqual([true, false, false]);
});

it("an answer that came to nothing is said so, in place of the question", () => {
  const bound = { task: "aa", question: "09".repeat(16) };
  expect(unanswered(pairing, bound, "over", "en").body).toContain("already");
  expect(unanswered(pairing, bound, "not_taken", "de").body).toContain("kam nicht an");
  expect(unanswered(pairing, bound, "not_known", "en").body).toContain("not known");
  expect(unanswered(pairing, bound, "over", "en").tag).toBe(`question/${pairing}/${bound.question}`);
});

class Desk {
  readonly name = "Desk";
  readonly changed = signal(0);
  readonly answered: [unknown, string, number][] = [];
  thread = [item("aa", asked("Delete 3 files?", "", 2)), item("bb", asked("Long?", "x".repeat(MOST_CHARACTERS), 3))];
  complete = true;
  standing = "reachable";

  async answer(_: unknown, { question: of }: Asked, said: string, beginByMs: number): Promise<Given> {
    this.answered.push([of.questionId[0], said, beginByMs]);
    return Promise.resolve({ became: "counts", why: null });
  }

  async serves(task: string, id: string, said: "once" | "deny", { beginByMs = Date.now() + 60_000, withdrawn = false } = {}) {
    const request = { ask: "answer", pairing, task, question: id.repeat(16), said, beginByMs } as const;
    return serve(this as unknown as Link, request, withdrawn ? AbortSignal.abort() : new AbortController().signal); // all that is asked of it
  }
}

it("an answer goes to the question that was shown, and to no other that is open", async () => {
  const desk = new Desk();
  const beginByMs = Date.now() + 60_000;

  expect((await desk.serves("aa", "01", "once")).became).toBe("over"); // of the same task, and closed meanwhile
  expect((await desk.serves("bb", "02", "once")).became).toBe("over");
  expect((await desk.serves("bb", "03", "once")).became).toBe("not_taken"); // was never shown whole
  expect(desk.answered).toEqual([]);
  expect((await desk.serves("aa", "02", "once", { beginByMs })).became).toBe("counts");
  expect((await desk.serves("bb", "03", "deny", { beginByMs })).became).toBe("counts");
  expect(desk.answered).toEqual([[2, "once", beginByMs], [3, "deny", beginByMs]]);
});

it("an answer that the worker waits for no longer is not begun, also by a page that slept", async () => {
  const desk = new Desk();

  expect((await desk.serves("aa", "02", "once", { withdrawn: true })).became).toBe("not_taken");
  expect(desk.answered).toEqual([]);
});
