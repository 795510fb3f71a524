/** A line, told what a relay and a host may do: what is committed, what is sent, and what a person is shown. */

import { create } from "@bufbuild/protobuf";
import { ed25519 } from "@noble/curves/ed25519.js";
import { beforeEach, describe, expect, it } from "vitest";

import { type Bytes, hex } from "../src/protocol/bytes.js";
import { Reason } from "../src/protocol/dispatch/api/error/v1/error_pb.js";
import {
  type DeviceFrame, OpenedSchema, Outcome, type PushTarget, PushTargetSchema, Reachability, RelayFrameSchema,
} from "../src/protocol/dispatch/api/relay/v1/relay_pb.js";
import { Refused } from "../src/protocol/errors.js";
import type { TaskId } from "../src/protocol/ids.js";
import { NO_HEAD } from "../src/protocol/sealed/head.js";
import { verifyTask } from "../src/protocol/sealed/history.js";
import { cancel, task } from "../src/protocol/thread/commands.js";
import { Line, type Step, TARGET_AGAIN_MS } from "../src/protocol/thread/line.js";
import { SHAKE_MS } from "../src/protocol/thread/sending.js";
import { MemoryStore } from "../src/protocol/thread/memory_store.js";
import type { Snapshot } from "../src/protocol/thread/store.js";
import { shownState } from "../src/protocol/thread/task_view.js";
import { counted, Host, makePair } from "./support/host.js";

type Relay = NonNullable<Parameters<typeof create<typeof RelayFrameSchema>>[1]>["frame"];

/** A line with a store, a host and a relay that forwards nothing by itself. */
class World {
  readonly pair = makePair();
  readonly host = new Host(this.pair.host, this.pair.hostSeed);
  readonly store = new MemoryStore();
  line!: Line;
  nowMs = 1_000;
  seq = 0n;
  private revision = 0;

  async start(): Promise<this> {
    this.store.add(this.pair.phone.pairId);
    await this.anew();
    return this;
  }

  /** A new page: everything that was not committed is gone. */
  async anew(): Promise<void> {
    const snapshot = await this.snapshot();
    this.revision = snapshot.revision;
    const { phone, phoneSeed } = this.pair;
    const sign = async (message: Bytes): Promise<Bytes> => Promise.resolve(ed25519.sign(message, phoneSeed));
    this.line = new Line({ keys: phone, sign, rng: counted(`phone ${this.nowMs}`), signedFor: [phone.pairId] }, snapshot);
  }

  async snapshot(): Promise<Snapshot> {
    const snapshot = await this.store.load(this.pair.phone.pairId);
    if (snapshot === null) throw new Error("not stored");
    return snapshot;
  }

  private sleptMs = 0;

  get times() {
    return { nowMs: this.nowMs, wallMs: this.nowMs + this.sleptMs };
  }

  /** The device sleeps, and its clock with it; the one for people goes on. */
  sleeps(ms: number): void {
    this.sleptMs += ms;
  }

  async carry(step: Promise<Step>): Promise<DeviceFrame["frame"][]> {
    const { changes, frames } = await step;
    if (changes.length > 0) await this.store.commit(this.pair.phone.pairId, this.revision++, changes);
    return frames.map(({ frame }) => frame);
  }

  async opens(headSeq = this.seq): Promise<DeviceFrame["frame"][]> {
    return this.carry(this.line.opened(create(OpenedSchema, { headSeq }), this.times));
  }

  async hears(...frames: Relay[]): Promise<DeviceFrame["frame"][]> {
    return this.carry(this.line.received(frames.map((frame) => create(RelayFrameSchema, { frame: frame ?? { case: undefined } })), this.times));
  }

  async row(sealed: Bytes): Promise<DeviceFrame["frame"][]> {
    return this.hears({ case: "deliver", value: { seq: ++this.seq, sealed } });
  }

  async presence(state = Reachability.REACHABLE, cause = Reason.UNSPECIFIED): Promise<DeviceFrame["frame"][]> {
    return this.hears({ case: "presence", value: { state, cause, instance: Uint8Array.of(1) } });
  }

  /** Opens a stream and shakes hands; the host has confirmed when this is over. */
  async together(): Promise<void> {
    await this.opens();
    await this.presence();
    await this.shake();
  }

  /** Shakes hands; gives what the phone says behind Confirm. */
  async shakes(): Promise<DeviceFrame["frame"][]> {
    const [hello] = await this.carry(this.line.shakeHands(Uint8Array.of(7), this.times));
    if (hello?.case !== "live") throw new Error("no handshake");
    const [confirm, ...more] = await this.hears({ case: "live", value: { sealed: await this.host.answer(hello.value.sealed) } });
    if (confirm?.case !== "live") throw new Error("no Confirm");
    this.host.hears(confirm.value.sealed);
    return more;
  }

  async shake(): Promise<void> {
    await this.shakes();
    await this.row(this.host.begin());
  }
}

let world: World;
beforeEach(async () => { world = await new World().start(); });

const TASK = new Uint8Array(16).fill(9) as TaskId;

function posts(frames: DeviceFrame["frame"][]) {
  return frames.flatMap((frame) => (frame.case === "post" ? [frame.value] : []));
}

async function state(): Promise<string> {
  const [first] = (await world.snapshot()).tasks;
  return first === undefined ? "none" : shownState(first.view);
}

describe("the thread", () => {
  it("takes events in whatever order they come, and asks for those that are missing", async () => {
    await world.together();
    const events = [1, 2, 3].map((n) => world.host.event({ event: { case: "step", value: { title: `${n}` } } }));
    const rowOf = (content: Bytes | undefined): Bytes => world.host.keeps({ item: { case: "event", value: content ?? new Uint8Array() } });

    await world.row(rowOf(events[0]));
    const said = await world.row(rowOf(events[2]));

    expect(world.line.head.number).toBe(1n);
    const words = said.flatMap((frame) => (frame.case === "live" ? world.host.hears(frame.value.sealed) : []));
    expect(words.map(({ item }) => item.case === "resend" && [item.value.from, item.value.to])).toContainEqual([2n, 2n]);
    await world.row(rowOf(events[1]));
    expect(world.line.head).toEqual(world.host.head);
    expect((await world.snapshot()).places.length).toBe(3);
  });

  it("counts a row that does not open as a hole, acknowledges it and never tries it again", async () => {
    await world.together();
    const sealed = world.host.keeps();
    sealed[40] = (sealed[40] ?? 0) ^ 1;

    const said = await world.row(sealed);

    expect(said).toContainEqual(expect.objectContaining({ case: "ack" }));
    expect((await world.snapshot()).cursor).toBe(world.seq);
    await world.row(world.host.keeps({ item: { case: "event", value: world.host.event({}) } }));
    expect(world.line.head.number).toBe(1n);
  });

  it("shows an event of a host that was set back once", async () => {
    await world.together();
    const eventId = new Uint8Array(16).fill(5);
    for (let i = 0; i < 2; i++) await world.row(world.host.keeps({ item: { case: "event", value: world.host.event({ eventId }) } }));
    const stored = await world.store.events(world.pair.phone.pairId, 0n);
    expect(stored.map(({ shown }) => shown)).toEqual([true, false]);
  });

  it("counts a head that the host did not sign as a hole", async () => {
    await world.together();
    const good = await world.line.received([], world.times);
    expect(good.changes).toEqual([]);
    const event = world.host.event({});
    const signed = world.host.signature();
    const step = await world.line.received(
      [create(RelayFrameSchema, { frame: { case: "deliver", value: { seq: ++world.seq, sealed: world.host.keeps({ item: { case: "event", value: event } }, signed) } } })],
      world.times,
    );
    expect(step.changes.map(({ kind }) => kind)).toContain("signature");
    const forged = { ...signed, item: { ...signed.item, value: { head: { ...world.host.head }, signature: new Uint8Array(64) } } } as typeof signed;
    const next = await world.line.received(
      [create(RelayFrameSchema, { frame: { case: "deliver", value: { seq: ++world.seq, sealed: world.host.keeps(forged) } } })], world.times,
    );
    expect(next.changes).toContainEqual({ kind: "holes", more: 1 });
  });

  it("goes on behind what the relay has lost", async () => {
    await world.together();
    world.seq = 0n;
    await world.opens(0n);
    expect(world.line.cursor).toBe(0n);
    await world.carry(world.line.closed(new Refused(Reason.RESUME_TOO_OLD, "", 0, { oldest_seq: "17" }), false, world.times));
    expect(world.line.cursor).toBe(16n);
  });

  it("ends with a place that no thread has", async () => {
    await expect(world.hears({ case: "receipt", value: { seq: 2n ** 60n } })).rejects.toMatchObject({ reason: Reason.PROTOCOL_VIOLATION });
  });

  it("ends with a moment that never was, so that no screen has to show it", async () => {
    for (const ms of [-(2n ** 63n), 2n ** 63n - 1n]) {
      for (const moment of [{ sinceMs: ms }, { lastHeardMs: ms }]) {
        const said = { case: "presence", value: { state: Reachability.ABSENT, cause: Reason.HOST_ASLEEP, ...moment } } as const;
        await expect(world.hears(said)).rejects.toMatchObject({ reason: Reason.PROTOCOL_VIOLATION });
        expect(world.line.host).toBeNull();
      }
    }
  });
});

describe("the session", () => {
  it("commits the new keep chain before Confirm goes out", async () => {
    await world.opens();
    await world.presence();
    const [hello] = await world.carry(world.line.shakeHands(Uint8Array.of(7), world.times));
    if (hello?.case !== "live") throw new Error("no handshake");
    const sealed = await world.host.answer(hello.value.sealed);
    const step = await world.line.received([create(RelayFrameSchema, { frame: { case: "live", value: { sealed } } })], world.times);
    expect(step.changes.map(({ kind }) => kind)).toEqual(["chains", "pairing"]);
    expect(step.frames.map(({ frame }) => frame.case)).toEqual(["live"]);
  });

  it("is not there in a new page, which reads what waits with the chains that it has kept", async () => {
    await world.together();
    const row = world.host.keeps({ item: { case: "event", value: world.host.event({}) } });
    await world.anew();
    expect(world.line.ready).toBe(false);
    await world.row(row);
    expect(world.line.head.number).toBe(1n);
  });

  it("is wanted anew when the host is another process, and not while it is away", async () => {
    await world.together();
    const away = await world.line.received([create(RelayFrameSchema, { frame: { case: "presence", value: { state: Reachability.ABSENT } } })], world.times);
    expect(away.wantsHandshake).toBe(false);
    world.nowMs += 60_000;
    const back = await world.line.received(
      [create(RelayFrameSchema, { frame: { case: "presence", value: { state: Reachability.REACHABLE, instance: Uint8Array.of(2) } } })], world.times,
    );
    expect(back.wantsHandshake).toBe(true);
  });
});

describe("a command", () => {
  it("is signed, sealed, committed and then posted, with what is left of its ten seconds", async () => {
    await world.together();
    const step = await world.line.begin(task(TASK, "build it"), world.times);
    const [post] = posts(step.frames.map(({ frame }) => frame));
    expect(step.changes.map(({ kind }) => kind)).toEqual(["task", "post", "fact"]);
    expect(post?.validForMs).toBe(10_000);
    const { action: body, attempt, deadlineMs, signature, pairId, taskId } = world.host.takes(post?.sealed ?? new Uint8Array());
    expect([attempt, deadlineMs]).toEqual([1, 10_000n]);
    expect(verifyTask(world.pair.phone.ownEd25519, signature, { pairId, taskId, attempt, body, head: NO_HEAD })).toBe(true);
  });

  it("is accepted by the host's own word, and done by it", async () => {
    await world.together();
    const [post] = posts(await world.carry(world.line.begin(task(TASK, "build it"), world.times)));
    await world.hears({ case: "receipt", value: { messageId: post?.messageId ?? new Uint8Array(), seq: ++world.seq } });
    expect(await state()).toBe("handed_over"); // the relay's word alone
    for (const event of [{ case: "accepted", value: { attempt: 1 } }, { case: "ended", value: { outcome: Outcome.DONE } }] as const) {
      await world.row(world.host.keeps({ item: { case: "event", value: world.host.event({ taskId: TASK, event }) } }));
    }
    expect(await state()).toBe("done");
  });

  it("goes out without a seal to a host that is away, and its refusal names the cause", async () => {
    await world.opens();
    await world.presence(Reachability.ABSENT, Reason.HOST_ASLEEP);
    const [post] = posts(await world.carry(world.line.begin(task(TASK, "build it"), world.times)));
    expect(post?.sealed.length).toBe(0);
    await world.hears({ case: "refusal", value: { messageId: post?.messageId ?? new Uint8Array(), reason: Reason.HOST_ASLEEP, seq: ++world.seq } });
    const [stored] = (await world.snapshot()).tasks;
    expect([await state(), stored?.view.reason]).toEqual(["refused", "HOST_ASLEEP"]);
  });

  it("is not begun behind the moment by which it was to begin: the person was told by then that it was not", async () => {
    await world.together();
    const late = cancel(TASK, counted("late"));

    const step = await world.line.begin(late, world.times, world.times.wallMs - 1);

    expect([step.frames, step.changes, step.over]).toEqual([[], [], [{ command: late, post: null }]]);
    expect(posts(await world.carry(world.line.begin(late, world.times, world.times.wallMs)))).toHaveLength(1);
  });

  it("goes out once more after STALE_EPOCH, in another session, and keeps its id", async () => {
    await world.together();
    const [first] = posts(await world.carry(world.line.begin(task(TASK, "build it"), world.times)));
    await world.hears({ case: "refusal", value: { messageId: first?.messageId ?? new Uint8Array(), reason: Reason.STALE_EPOCH, seq: ++world.seq } });
    world.nowMs += 2_000;
    const [hello] = await world.carry(world.line.shakeHands(Uint8Array.of(7), world.times));
    if (hello?.case !== "live") throw new Error("no handshake");
    const sealed = await world.host.answer(hello.value.sealed);
    const [second] = posts(await world.hears({ case: "live", value: { sealed } }));
    const taken = world.host.takes(second?.sealed ?? new Uint8Array());
    expect([taken.attempt, hex(taken.taskId), second?.validForMs]).toEqual([2, hex(TASK), 8_000]);
  });

  it.each([["session", "refusal"], ["refusal", "session"]])(
    "that went bare and is refused for want of a session ends neither the one made meanwhile nor a handshake under way: first the %s",
    async (first) => {
      await world.opens();
      await world.presence();
      const [hello] = await world.carry(world.line.shakeHands(Uint8Array.of(7), world.times));
      if (hello?.case !== "live") throw new Error("no handshake");
      await world.carry(world.line.begin(task(TASK, "build it"), world.times));
      world.nowMs += SHAKE_MS;
      const [bare] = posts(await world.carry(world.line.due(world.times)));
      expect(bare?.sealed.length).toBe(0);
      const answer = { case: "live", value: { sealed: await world.host.answer(hello.value.sealed) } } as const;
      const refusal = { case: "refusal", value: { messageId: bare?.messageId ?? new Uint8Array(), reason: Reason.SESSION_NEEDED, seq: ++world.seq } } as const;

      const frames = first === "session" ? [answer, refusal] : [refusal, answer];
      const step = await world.line.received(frames.map((frame) => create(RelayFrameSchema, { frame })), world.times);

      const [second] = posts(await world.carry(Promise.resolve(step)));
      expect(world.host.takes(second?.sealed ?? new Uint8Array()).attempt).toBe(2);
      expect(step.wantsHandshake).toBe(false);
    },
  );

  it.each(["session", "refusal"])("that was sealed in the last session and is refused as stale ends neither the next one nor a handshake under way: first the %s", async (which) => {
    await world.together();
    const [first] = posts(await world.carry(world.line.begin(task(TASK, "build it"), world.times)));
    await world.hears({ case: "presence", value: { state: Reachability.REACHABLE, instance: Uint8Array.of(2) } });
    const [hello] = await world.carry(world.line.shakeHands(Uint8Array.of(7), world.times));
    if (hello?.case !== "live") throw new Error("no handshake");

    const refusal = { case: "refusal", value: { messageId: first?.messageId ?? new Uint8Array(), reason: Reason.STALE_EPOCH, seq: ++world.seq } } as const;
    const answer = { case: "live", value: { sealed: await world.host.answer(hello.value.sealed) } } as const;
    const frames = which === "session" ? [answer, refusal] : [refusal, answer];
    const step = await world.line.received(frames.map((frame) => create(RelayFrameSchema, { frame })), world.times);

    const [second] = posts(await world.carry(Promise.resolve(step)));
    expect(world.host.takes(second?.sealed ?? new Uint8Array()).attempt).toBe(2);
  });

  it("that was in time here and late by the host's clock goes out once more, in another session, and no third time", async () => {
    await world.together();
    const late = (post: { messageId: Bytes } | undefined) =>
      ({ case: "refusal", value: { messageId: post?.messageId ?? new Uint8Array(), reason: Reason.DEADLINE_PASSED, seq: ++world.seq } }) as const;
    const [first] = posts(await world.carry(world.line.begin(task(TASK, "build it"), world.times)));
    const refused = await world.line.received([create(RelayFrameSchema, { frame: late(first) })], world.times);
    expect(refused.wantsHandshake).toBe(true);
    await world.carry(Promise.resolve(refused));

    const [second] = posts(await world.shakes());
    expect(world.host.takes(second?.sealed ?? new Uint8Array()).attempt).toBe(2);
    await world.hears(late(second));

    expect(posts(await world.shakes())).toEqual([]);
    expect(await state()).toBe("refused");
  });

  it("waits for a new session when the device has slept, and is sealed in that one", async () => {
    await world.together();
    world.sleeps(20_000);
    const step = await world.line.begin(task(TASK, "build it"), world.times);
    expect([step.wantsHandshake, posts(step.frames.map(({ frame }) => frame))]).toEqual([true, []]);
    await world.carry(Promise.resolve(step));

    const [post] = posts(await world.shakes());

    expect(world.host.takes(post?.sealed ?? new Uint8Array())).toMatchObject({ attempt: 1, deadlineMs: 10_000n });
  });

  it("gets older in a sleep that the clock did not count: what waited for a path then is not sent behind it", async () => {
    await world.opens(); // nothing is known of the host yet
    await world.carry(world.line.begin(task(TASK, "build it"), world.times));
    world.sleeps(60_000);

    await world.presence();

    expect(posts(await world.shakes())).toEqual([]);
    expect(await state()).toBe("not_sent");
  });

  it("is not sent when no path comes within five seconds, and nothing sends it by itself afterwards", async () => {
    await world.carry(world.line.begin(task(TASK, "build it"), world.times));
    world.nowMs += 5_000;
    await world.carry(world.line.due(world.times));
    expect(await state()).toBe("not_sent");
    await world.together();
    expect(posts(await world.carry(world.line.due(world.times)))).toEqual([]);
  });

  it("whose stream broke is unconfirmed, and never stored when the log knows nothing of it", async () => {
    await world.together();
    await world.carry(world.line.begin(task(TASK, "build it"), world.times));
    await world.carry(world.line.closed(new Refused(Reason.NO_NETWORK), false, world.times));
    expect(await state()).toBe("unconfirmed");
    world.nowMs += 20_000;
    await world.carry(world.line.due(world.times));
    await world.opens();
    expect(await state()).toBe("not_sent");
    await world.row(world.host.keeps({ item: { case: "event", value: world.host.event({ taskId: TASK, event: { case: "accepted", value: { attempt: 1 } } }) } }));
    const [stored] = (await world.snapshot()).tasks;
    expect([await state(), stored?.view.tampering]).toEqual(["accepted", true]);
  });

  it("whose files are on their way is kept, through a stream that breaks as well, and begins behind them", async () => {
    await world.together();
    expect(posts(await world.carry(world.line.keep(task(TASK, "build it"), world.times)))).toEqual([]);
    await world.carry(world.line.closed(new Refused(Reason.NO_NETWORK), false, world.times));
    expect(await state()).toBe("new");
    await world.together();

    const [post] = posts(await world.carry(world.line.begin(task(TASK, "build it"), world.times)));

    expect([world.host.takes(post?.sealed ?? new Uint8Array()).attempt, await state()]).toEqual([1, "sent"]);
    expect((await world.snapshot()).tasks.length).toBe(1);
  });

  it("whose files did not arrive is not sent, and says why", async () => {
    await world.together();
    await world.carry(world.line.keep(task(TASK, "build it"), world.times));

    await world.carry(world.line.giveUp(TASK, Reason.NO_ROOM, world.times));

    const [stored] = (await world.snapshot()).tasks;
    expect([await state(), stored?.view.reason, stored?.text]).toEqual(["not_sent", "NO_ROOM", "build it"]);
  });

  it("that a page left behind in the middle of its files is not sent", async () => {
    await world.together();
    await world.carry(world.line.keep(task(TASK, "build it"), world.times));
    await world.anew();

    await world.carry(world.line.began(world.times));

    expect(await state()).toBe("not_sent");
  });

  it("of another kind does not move its task", async () => {
    await world.together();
    await world.carry(world.line.begin(task(TASK, "build it"), world.times));
    await world.row(world.host.keeps({ item: { case: "event", value: world.host.event({ taskId: TASK, event: { case: "accepted", value: { attempt: 1 } } }) } }));
    const [post] = posts(await world.carry(world.line.begin(cancel(TASK, counted("cancel")), world.times)));
    await world.hears({ case: "refusal", value: { messageId: post?.messageId ?? new Uint8Array(), reason: Reason.TASK_OVER, seq: ++world.seq } });
    expect(await state()).toBe("accepted");
  });
});

describe("where this phone is called", () => {
  const target = (endpoint: string): PushTarget => create(PushTargetSchema, { endpoint });
  const said = (frames: DeviceFrame["frame"][]): string[] => frames.flatMap((frame) => (frame.case === "pushTarget" ? [frame.value.endpoint] : []));
  const kept = (reason = Reason.UNSPECIFIED, retryAfterMs = 0): Relay => ({ case: "pushTargetKept", value: { reason, retryAfterMs } });

  it("is said when there is a stream, where there was none when it was chosen, and again until the relay has kept it", async () => {
    expect(said(await world.carry(world.line.callAt(target("a"), world.times)))).toEqual([]);
    expect(said(await world.opens())).toEqual(["a"]);
    await world.carry(world.line.closed(new Refused(Reason.NO_NETWORK), false, world.times));
    expect(said(await world.opens())).toEqual(["a"]);

    await world.hears(kept());

    expect(world.line.pushTargetKept).toMatchObject({ reason: Reason.UNSPECIFIED });
    await world.carry(world.line.closed(new Refused(Reason.NO_NETWORK), false, world.times));
    expect(said(await world.opens())).toEqual([]);
  });

  it("is said again when the relay's time is over, and not before", async () => {
    await world.opens();
    await world.carry(world.line.callAt(target("a"), world.times));
    const { dueInMs } = await world.line.received([create(RelayFrameSchema, { frame: { case: "pushTargetKept", value: { reason: Reason.RATE_LIMITED, retryAfterMs: 2_000 } } })], world.times);
    expect(dueInMs).toBeLessThanOrEqual(2_000);

    world.nowMs += 1_999;
    expect(said(await world.carry(world.line.due(world.times)))).toEqual([]);
    world.nowMs += 1;
    expect(said(await world.carry(world.line.due(world.times)))).toEqual(["a"]);
  });

  it("is said once a second at most, whatever the relay says", async () => {
    await world.opens();
    await world.carry(world.line.callAt(target("a"), world.times));

    expect(said(await world.hears(kept(Reason.RATE_LIMITED, 1)))).toEqual([]);

    world.nowMs += TARGET_AGAIN_MS - 1;
    expect(said(await world.carry(world.line.due(world.times)))).toEqual([]);
  });

  it("is the newest one: the answer to one that was replaced ends nothing", async () => {
    await world.opens();
    for (const one of ["a", "b"]) await world.carry(world.line.callAt(target(one), world.times));
    await world.hears(kept());

    await world.carry(world.line.closed(new Refused(Reason.NO_NETWORK), false, world.times));

    expect(said(await world.opens())).toEqual(["b"]);
  });
});
