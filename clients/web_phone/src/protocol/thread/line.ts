/**
 * The phone's line to one host, as a machine: what the stream brings, what a person wants and the passing of time go in; what to commit
 * and what to send come out.
 *
 * One input at a time. The driver commits a step's changes and sends its frames only then; when the commit fails, it throws the line
 * away and makes another from the store, with no session. docs/phone.md "A line and its parts", docs/web-protocol.md "The line".
 */

import { create, type MessageInitShape } from "@bufbuild/protobuf";

import { type Bytes, EMPTY, hex } from "../bytes.js";
import { Reason } from "../dispatch/api/error/v1/error_pb.js";
import {
  type DeviceFrame, DeviceFrameSchema, Kind, type Opened, type Presence, type PushTarget, type PushTargetKept, Reachability, type Refusal, type RelayFrame,
} from "../dispatch/api/relay/v1/relay_pb.js";
import type { DownLiveItem } from "../dispatch/api/thread/v1/thread_pb.js";
import { messageId } from "../encoding.js";
import { Refused } from "../errors.js";
import { ID_BYTES, id, type MessageId, type Rng, type TaskId } from "../ids.js";
import type { Signer } from "../keys.js";
import { checkedMoment } from "../moments.js";
import { checked, oldest } from "../places.js";
import type { Head } from "../sealed/head.js";
import type { PairKeys } from "../sealed/pair_keys.js";
import { LONGEST_ADVISED_MS } from "./backoff.js";
import { bodyOf, checkSize, type Command } from "./commands.js";
import { Ledger, type Times } from "./ledger.js";
import { Naps } from "./naps.js";
import { Reader } from "./reading.js";
import { Sending, type Standing } from "./sending.js";
import type { Change, Post, Snapshot } from "./store.js";
import { Talk } from "./talk.js";
import { isOver, mayBeDismissed, NEW, OUTCOMES, UNSENT, WITH_HOST } from "./task_view.js";

/** A relay's lease outside of these, ms, is nonsense: nobody is told nothing for longer than twice the second. */
export const LEASE_LIMITS_MS = [100, 15_000] as const;
/** A relay that is to be told again where this phone is called waits for at least so long, ms. */
export const TARGET_AGAIN_MS = 1_000;
/** A deadline that was in time here and past there: this clock is behind, and a session is counted from its own beginning. */
const MENDED_BY_A_HANDSHAKE: readonly Reason[] = [Reason.STALE_EPOCH, Reason.SESSION_NEEDED, Reason.DEADLINE_PASSED];
const CAUSES: readonly Reason[] = [
  Reason.HOST_ASLEEP, Reason.HOST_APP_CLOSED, Reason.HOST_UNREACHABLE, Reason.HOST_NEVER_CONNECTED, Reason.HOST_REVOKED,
];

/** What an input comes to. */
export interface Step {
  /** To be committed as a whole, first. */
  changes: readonly Change[];
  /** To be sent behind it. */
  frames: readonly DeviceFrame[];
  /** What the host said in passing: partial text, progress, refused transfers. */
  heard: readonly DownLiveItem[];
  /** Commands that are over: what was posted last, or null. */
  over: readonly { command: Command; post: Post | null }[];
  /** Whether the host has ended the pairing: its keys are to go. */
  revoked: boolean;
  /** Whether the pairing became active, by its first session: older ones with the same host are over. */
  activated: boolean;
  /** In how many ms the line wants to be told the time; null is not at all. */
  dueInMs: number | null;
  /** Whether it wants a handshake: the driver gets a grant and calls `shakeHands`. */
  wantsHandshake: boolean;
}

/** Whose line it is. */
export interface Own {
  keys: PairKeys;
  sign: Signer;
  rng: Rng;
  /** This pairing, and the earlier ones of the same two devices. */
  signedFor: readonly PairKeys["pairId"][];
}

/** What a person wants of a line, beside commands. No store has it: who makes a line anew hands it on. */
export interface Wishes {
  looking: boolean;
  /** Where and when this phone is called; null for nothing that the relay has yet to answer. */
  target: PushTarget | null;
  /** Tasks whose files are on their way, in hex: they are kept, and begin when those have arrived. */
  bringing: ReadonlySet<string>;
}

const NO_WISHES: Wishes = { looking: false, target: null, bringing: new Set() };

/** One pairing. */
export class Line {
  readonly ledger: Ledger;
  private readonly reader: Reader;
  private readonly talk: Talk;
  private state: Snapshot["state"];
  // What the step under way has come to so far.
  private changes: Change[] = [];
  private frames: DeviceFrame[] = [];
  private heard: DownLiveItem[] = [];
  private over: { command: Command; post: Post | null }[] = [];
  private revoked = false;
  private activated = false;
  // The stream that is open.
  private isOpen = false;
  private isFinal = false;
  private logHead = 0n;
  private pending = new Set<string>();
  private readonly postedHere = new Set<string>();
  private presence: Presence | null = null;
  private noPathSinceMs: number | null = null;
  private vapidKey: Bytes = EMPTY;
  private targetKept: PushTargetKept | null = null;
  private targetsAsked = 0; // that the relay has yet to answer
  private targetAtMs: number | null = null; // when it is said again
  private sendings: Sending[] = [];
  private readonly naps = new Naps();
  private readonly wanted: Wishes;

  constructor(
    private readonly own: Own,
    snapshot: Snapshot,
    wishes = NO_WISHES,
  ) {
    this.wanted = { ...wishes };
    const note = (change: Change): void => void this.changes.push(change);
    this.state = snapshot.state;
    this.ledger = new Ledger(snapshot, note);
    const { pairId, peerEd25519, ownEd25519 } = own.keys;
    this.reader = new Reader({ pairId, hostKey: peerEd25519, ownKey: ownEd25519, signedFor: own.signedFor }, snapshot, this.ledger, note);
    this.talk = new Talk(own.keys, own.rng, (sealed) => { this.send({ case: "live", value: { sealed } }); });
  }

  /** The last row taken: where a stream resumes. */
  get cursor(): bigint {
    return this.reader.cursor;
  }

  /** The end of the checked part of the thread. */
  get head(): Head {
    return this.reader.head;
  }

  /** Whether a command can be sealed and handed to a host that is there. */
  get ready(): boolean {
    return this.isOpen && this.talk.session.ready && !this.hostAbsent;
  }

  /** Whether this phone has every event of a host that is there and has said so in this session. */
  get complete(): boolean {
    return this.isOpen && this.caughtUp && this.talk.tending.confirmed && this.reader.missing() === null;
  }

  /** The relay's last word on how the host is; null without a stream. */
  get host(): Presence | null {
    return this.presence;
  }

  /** Whether a person looks. */
  get isLooking(): boolean {
    return this.wanted.looking;
  }

  /** What the line that takes the place of this one is to be told. */
  get wishes(): Wishes {
    return this.wanted;
  }

  /** What a browser subscribes with, by the relay's last word; empty when this relay calls nobody by Web Push. */
  get pushKey(): Bytes {
    return this.vapidKey;
  }

  /** The relay's answer to the last push target; null while there is none. */
  get pushTargetKept(): PushTargetKept | null {
    return this.targetKept;
  }

  /** The host's newest answer to a probe. */
  get probeAnswer() {
    return this.talk.probeAnswer;
  }

  // ---- The stream. One of these at a time, each followed by the commit of what it gives.

  /** A page has begun: what an earlier one left on its way is taken up. */
  async began(times: Times): Promise<Step> {
    return this.step(times, () => { this.ledger.pageBegan(); });
  }

  /** The stream is open. */
  async opened(opened: Opened, times: Times): Promise<Step> {
    return this.step(times, () => {
      [this.isOpen, this.presence, this.noPathSinceMs] = [true, null, null];
      this.ledger.streamLost(); // the one before, when the store failed as it ended
      const lease = opened.limits?.leaseMs ?? 0;
      if (lease > 0) this.ledger.wordWithinMs = 2 * Math.min(Math.max(lease, LEASE_LIMITS_MS[0]), LEASE_LIMITS_MS[1]);
      this.vapidKey = opened.pushKey;
      [this.targetKept, this.targetsAsked] = [null, 0];
      this.sayTarget();
      this.logHead = checked(opened.headSeq);
      this.pending = new Set(opened.pendingMessageIds.map(hex));
      this.postedHere.clear();
      if (this.logHead < this.reader.cursor) {
        // The relay has lost rows that it once gave. What they said is here; what comes next has lower numbers.
        this.reader.setCursor(this.logHead);
        this.ledger.logLost();
      }
    });
  }

  /** Frames have come. Rejects with PROTOCOL_VIOLATION for what no relay says. */
  async received(frames: readonly RelayFrame[], times: Times): Promise<Step> {
    const { cursor } = this.reader;
    return this.step(times, async () => {
      for (const frame of frames) await this.take(frame, times);
      if (this.hostGone) this.ledger.hostAway(this.cause); // of tasks, too, that rows told of behind the word on presence
    }, () => {
      if (this.reader.cursor !== cursor) this.send({ case: "ack", value: { throughSeq: this.reader.cursor } });
    });
  }

  /** There is no stream. `final`: none will come before a person has done something. */
  async closed(error: Refused, final: boolean, times: Times): Promise<Step> {
    return this.step(times, () => {
      if (this.isOpen || this.noPathSinceMs === null) this.noPathSinceMs = times.nowMs;
      if (this.isOpen) this.talk.lost();
      [this.isOpen, this.isFinal, this.presence] = [false, final, null];
      this.ledger.streamLost();
      if (error.reason === Reason.RESUME_TOO_OLD) {
        this.reader.setCursor(oldest(error) - 1n);
        this.ledger.logLost();
      }
    });
  }

  /** There is a grant to shake hands with. */
  async shakeHands(grant: Uint8Array, times: Times): Promise<Step> {
    return this.step(times, async () => {
      if (this.isOpen) await this.talk.shakeHands(grant, this.reader.head, times.nowMs);
    });
  }

  /** There is no grant to be had now: the next try waits. */
  async noGrant(times: Times): Promise<Step> {
    return this.step(times, () => { this.talk.tending.started(times.nowMs); });
  }

  /** Time has passed. */
  async due(times: Times): Promise<Step> {
    return this.step(times, () => undefined);
  }

  // ---- What a person wants.

  /**
   * Begins to send a command, or a task again: its next attempt. A task that is on its way already is not begun twice, and nothing is
   * behind `beginByMs`, on the wall: by then whoever asked for it has been told that it did not happen. Rejects with
   * BAD_REQUEST for what fits no frame.
   */
  async begin(command: Command, times: Times, beginByMs = Infinity): Promise<Step> {
    return this.step(times, () => {
      checkSize(command);
      const { taskId, what, text, action } = command;
      this.brought(taskId);
      if (this.attended(taskId, what) || times.wallMs > beginByMs) {
        this.over.push({ command, post: null });
        return;
      }
      if (what === "task" && !this.ledger.knows(taskId)) this.ledger.add({ taskId, text, madeAtMs: times.wallMs, action, view: NEW });
      this.sendings.push(new Sending(command, times.nowMs));
    });
  }

  /** Whether this line was told to send a command, and it is not over. */
  hasBegun(command: Command): boolean {
    return this.sendings.some((one) => one.command === command);
  }

  /** Gives what was posted last of a command that is on its way; null for nothing. */
  lastPosted(command: Command): MessageId | null {
    return this.sendings.find((one) => one.command === command)?.last?.messageId ?? null;
  }

  /** Keeps a task whose files are on their way: it begins behind them. Rejects with BAD_REQUEST for what fits no frame. */
  async keep(command: Command, times: Times): Promise<Step> {
    return this.step(times, () => {
      checkSize(command);
      const { taskId, text, action } = command;
      this.wanted.bringing = new Set([...this.wanted.bringing, hex(taskId)]);
      this.ledger.add({ taskId, text, madeAtMs: times.wallMs, action, view: NEW });
    });
  }

  /** Hears that the files of a task will not come: it is not sent. One that has begun goes on. */
  async giveUp(taskId: TaskId, why: Reason, times: Times): Promise<Step> {
    return this.step(times, () => {
      this.brought(taskId);
      if (this.ledger.view(taskId).state === "new" && !this.attended(taskId, "task")) this.ledger.notSent(taskId, why);
    });
  }

  /** Takes a task out of the outbox, or waits no longer for one. Rejects with NOT_OVER or TASK_OVER where that can't be. */
  async putAway(taskId: TaskId, how: "drop" | "dismiss", times: Times): Promise<Step> {
    return this.step(times, () => {
      const view = this.ledger.view(taskId);
      const may = how === "drop" ? UNSENT.has(view.state) : mayBeDismissed(view);
      if (!may) throw new Refused(isOver(view) ? Reason.TASK_OVER : Reason.NOT_OVER);
      if (how === "drop") this.ledger.dropped(taskId);
      else this.ledger.dismissed(taskId);
    });
  }

  /** Says whether a person looks; the relay answers how the host is. */
  async look(looking: boolean, times: Times): Promise<Step> {
    return this.step(times, () => {
      this.wanted.looking = looking;
      if (this.isOpen) this.send({ case: "looking", value: { looking } });
    });
  }

  /** Has the host show that it lives; its answer is `probeAnswer`. Without a session it does nothing. */
  async probe(times: Times): Promise<Step> {
    return this.step(times, () => { if (this.isOpen && this.talk.session.ready) this.talk.probe(times.nowMs); });
  }

  /** Says where and when this phone is called (docs/push.md), on each stream until the relay has kept it: `pushTargetKept` has its answer. */
  async callAt(target: PushTarget, times: Times): Promise<Step> {
    return this.step(times, () => {
      [this.targetKept, this.wanted.target] = [null, target];
      this.sayTarget();
    });
  }

  /** Asks for a file, or offers one: what a host that is there is told of a transfer. Throws NoSession. */
  async transfer(item: Parameters<Talk["tell"]>[0], times: Times): Promise<Step> {
    return this.step(times, () => { this.talk.tell(item); });
  }

  // ---- Within a step.

  private async step(times: Times, work: () => void | Promise<void>, behind: () => void = () => undefined): Promise<Step> {
    [this.changes, this.frames, this.heard, this.over, this.revoked, this.activated] = [[], [], [], [], false, false];
    this.ledger.times = times;
    const sleptMs = this.naps.since(times);
    if (sleptMs > 0) this.woke(sleptMs);
    await work();
    this.settle();
    const sendingsMs = await this.advance(times);
    behind();
    const due = this.falls(times.nowMs);
    const { changes, frames, heard, over, revoked, activated } = this;
    const waits = [...sendingsMs, ...due.waits];
    return { changes, frames, heard, over, revoked, activated, wantsHandshake: due.handshake, dueInMs: waits.length > 0 ? Math.max(1, Math.min(...waits)) : null };
  }

  /** The device slept, and its clock with it. */
  private woke(sleptMs: number): void {
    if (this.isOpen) this.talk.slept();
    for (const sending of this.sendings) sending.aged(sleptMs);
  }

  private send(frame: MessageInitShape<typeof DeviceFrameSchema>["frame"]): void {
    this.frames.push(create(DeviceFrameSchema, { frame: frame ?? { case: undefined } }));
  }

  private async take({ frame }: RelayFrame, times: Times): Promise<void> {
    switch (frame.case) {
      case "deliver": {
        if (!this.reader.passTo(checked(frame.value.seq)) || frame.value.sealed.length === 0) return;
        const read = this.reader.takeRow(frame.value.sealed);
        this.talk.rowRead(read);
        if (read.revoked) this.setState("ended", "HOST_REVOKED");
        return;
      }
      case "receipt":
        this.reader.passTo(checked(frame.value.seq));
        this.ledger.taken(frame.value.messageId as MessageId);
        return;
      case "refusal": this.takeRefusal(frame.value); return;
      case "handedOver": this.ledger.handedOver(frame.value.messageId as MessageId); return;
      case "live": {
        const { begun, items } = await this.talk.hear(frame.value.sealed, times.nowMs);
        if (begun !== null) {
          this.reader.beginEpoch(begun.keepChain, begun.hostEpoch);
          if (this.state === "provisional") this.setState("active", "");
        }
        for (const one of items) this.hear(one);
        return;
      }
      case "presence": {
        this.presence = { ...frame.value, sinceMs: checkedMoment(frame.value.sinceMs), lastHeardMs: checkedMoment(frame.value.lastHeardMs) };
        const reachable = frame.value.state === Reachability.REACHABLE;
        this.talk.tending.hostIs(reachable, frame.value.instance);
        if (reachable) this.ledger.hostBack();
        return;
      }
      case "pushTargetKept": this.takeTargetKept(frame.value, times.nowMs); return;
      default: return; // a device ignores frames that it does not know
    }
  }

  private hear(one: DownLiveItem): void {
    if (one.item.case === "keepAwake") this.reader.takeAwake(one.item.value);
    else if (one.item.case === "permissions") this.reader.takePermissions(one.item.value);
    else this.heard.push(one);
  }

  private sayTarget(): void {
    const { target } = this.wanted;
    this.targetAtMs = null;
    if (!this.isOpen || target === null) return;
    this.targetsAsked++;
    this.send({ case: "pushTarget", value: target });
  }

  private takeTargetKept(kept: PushTargetKept, nowMs: number): void {
    this.targetsAsked = Math.max(0, this.targetsAsked - 1);
    if (this.targetsAsked > 0) return; // of one that another has replaced
    this.targetKept = kept;
    if (kept.reason === Reason.UNSPECIFIED) this.wanted.target = null;
    // What can't pass is said again on the next stream, and not before: the relay may be another one then.
    else if (kept.retryAfterMs > 0) this.targetAtMs = nowMs + Math.min(Math.max(kept.retryAfterMs, TARGET_AGAIN_MS), LONGEST_ADVISED_MS);
  }

  private takeRefusal(refusal: Refusal): void {
    if (refusal.seq > 0n) this.reader.passTo(checked(refusal.seq));
    const id = refusal.messageId as MessageId;
    const wasOurs = this.ledger.refused(id, refusal.reason, refusal.retryAfterMs);
    if (wasOurs && MENDED_BY_A_HANDSHAKE.includes(refusal.reason)) this.talk.refused(id);
  }

  /** At the head of the log, decides the posts of earlier streams: without a row and not pending, they were never stored. */
  private settle(): void {
    for (const { taskId, view } of this.ledger.all()) {
      // Left behind by a step that could not be committed.
      if (view.state === "new" && view.mayRun.length === 0 && !this.attended(taskId, "task") && !this.wanted.bringing.has(hex(taskId))) this.ledger.notSent(taskId, Reason.NO_NETWORK);
    }
    if (!this.isOpen || !this.caughtUp) return;
    for (const post of this.ledger.unsettled()) {
      const key = hex(post.messageId);
      if (!this.postedHere.has(key) && !this.pending.has(key)) this.ledger.neverStored(post, (taskId) => this.attended(taskId, "task"));
    }
  }

  /** Has every command go on as far as it can; gives the ms that they want to wait at most. */
  private async advance(times: Times): Promise<number[]> {
    const waits: number[] = [];
    for (const sending of [...this.sendings]) {
      for (;;) {
        const doing = sending.next(this.standing(sending, times.nowMs));
        if (doing.do === "wait") {
          waits.push(doing.ms);
          break;
        }
        if (doing.do === "over") {
          this.end(sending, doing.posted);
          break;
        }
        await this.post(sending, doing.validForMs, doing.untilMs, times);
      }
    }
    return waits;
  }

  private standing(sending: Sending, nowMs: number): Standing {
    const { taskId, what } = sending.command;
    const { state } = this.ledger.view(taskId);
    return {
      nowMs,
      open: this.isOpen,
      met: this.isOpen && this.presence !== null,
      ready: this.ready,
      hostAbsent: this.hostAbsent,
      final: this.isFinal,
      hostHas: what === "task" && (WITH_HOST.has(state) || OUTCOMES.has(state)),
      last: sending.last === null ? null : this.ledger.post(sending.last.messageId),
    };
  }

  /** Notes an attempt, which is committed before it goes out. Without a session it goes bare, so that its refusal names the cause. */
  private async post(sending: Sending, validForMs: number, untilMs: number, times: Times): Promise<void> {
    const { keys, sign, rng } = this.own;
    const { command } = sending;
    const { taskId, what } = command;
    const attempt = this.ledger.attempts(taskId, what) + 1;
    const { session } = this.talk;
    let sealed = new Uint8Array();
    if (session.ready) {
      const deadlineMs = session.deadlineMs(times.nowMs, validForMs);
      const body = await bodyOf(command, { pairId: keys.pairId, attempt, deadlineMs, head: this.reader.head, sign });
      sealed = Uint8Array.from(this.talk.sealCommand(body));
    }
    const named = sealed.length > 0 ? messageId(sealed) : id<MessageId>(rng(ID_BYTES));
    const post: Post = { messageId: named, taskId, what, attempt, verdict: "open", reason: "", retryAfterMs: 0 };
    sending.posted(post);
    this.postedHere.add(hex(named));
    this.ledger.posted(post, untilMs);
    this.send({ case: "post", value: { messageId: named, taskId, kind: Kind.COMMAND, sealed, validForMs: Math.round(validForMs) } });
  }

  private end(sending: Sending, posted: boolean): void {
    const { command } = sending;
    this.sendings = this.sendings.filter((one) => one !== sending);
    const post = sending.last === null ? null : this.ledger.post(sending.last.messageId);
    this.over.push({ command, post });
    const { state } = this.ledger.view(command.taskId);
    if (command.what === "task" && !posted && !WITH_HOST.has(state) && !OUTCOMES.has(state)) {
      this.ledger.notSent(command.taskId, this.isOpen ? Reason.NOT_TAKEN_IN_TIME : Reason.NO_NETWORK);
    }
  }

  /** Does what is due by time. */
  private falls(nowMs: number): { waits: number[]; handshake: boolean } {
    const waits: number[] = [];
    this.ledger.overdue();
    const wordDueMs = this.ledger.nextDueMs();
    if (wordDueMs !== null) waits.push(wordDueMs - nowMs);
    if (!this.isOpen) {
      if (this.noPathSinceMs !== null) {
        const leftMs = this.noPathSinceMs + this.ledger.wordWithinMs - nowMs;
        if (leftMs > 0) waits.push(leftMs);
        else this.ledger.hostAway(Reason.NO_NETWORK);
      }
      return { waits, handshake: false };
    }
    if (this.targetAtMs !== null) {
      if (this.targetAtMs <= nowMs) this.sayTarget();
      else waits.push(this.targetAtMs - nowMs);
    }
    // A command under way keeps the session in which it is sealed from getting old.
    const renewalInMs = this.sendings.length > 0 ? null : this.talk.session.renewalInMs(nowMs);
    const handshakeMs = this.talk.tending.dueIn(nowMs, renewalInMs);
    if (handshakeMs !== null && handshakeMs > 0) waits.push(handshakeMs);
    waits.push(...this.talk.due(nowMs, this.reader, this.caughtUp));
    return { waits, handshake: handshakeMs === 0 };
  }

  private setState(state: Snapshot["state"], reason: string): void {
    if (this.state === "ended") return;
    this.state = state;
    this.revoked ||= state === "ended";
    this.activated ||= state === "active";
    this.changes.push({ kind: "pairing", state, reason });
  }

  private brought(taskId: TaskId): void {
    this.wanted.bringing = new Set([...this.wanted.bringing].filter((one) => one !== hex(taskId)));
  }

  private attended(taskId: TaskId, what: Command["what"]): boolean {
    return this.sendings.some(({ command }) => command.what === what && hex(command.taskId) === hex(taskId));
  }

  private get caughtUp(): boolean {
    return this.reader.cursor >= this.logHead;
  }

  private get hostAbsent(): boolean {
    return this.presence !== null && this.presence.state !== Reachability.REACHABLE;
  }

  private get hostGone(): boolean {
    return this.presence?.state === Reachability.ABSENT;
  }

  /** Why the host is away; where the relay gives no cause of the list it is "unreachable". */
  private get cause(): Reason {
    const cause = this.presence?.cause ?? Reason.UNSPECIFIED;
    return CAUSES.includes(cause) ? cause : Reason.HOST_UNREACHABLE;
  }
}
