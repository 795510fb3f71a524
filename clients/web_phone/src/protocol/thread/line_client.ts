/**
 * Drives a line: commits what its steps come to, then sends. The one place where line, store, stream and time meet.
 *
 * Inputs wait in line, so that steps never overlap. When a commit fails, or the store has moved because another tab wrote, the line is
 * made anew from the store and the stream with it: what was not committed was not sent, and a new handshake follows. So it is when a
 * step fails half-way: what is left of it would fail every step behind it. A store that can't be read then is read before the next
 * step. What the store can't do now is STORE_FAILED, which ends a stream, and no line.
 */

import type { Bytes } from "../bytes.js";
import { Reason } from "../dispatch/api/error/v1/error_pb.js";
import type { Opened, PushTarget, RelayFrame } from "../dispatch/api/relay/v1/relay_pb.js";
import type { DownLiveItem } from "../dispatch/api/thread/v1/thread_pb.js";
import { Refused } from "../errors.js";
import type { TaskId } from "../ids.js";
import { NoSession } from "../sealed/session.js";
import { FINAL, type Means, type Right, ThreadClient, type ThreadEnd } from "./client.js";
import type { Command } from "./commands.js";
import type { Times } from "./ledger.js";
import { Line, type Own, type Step } from "./line.js";
import type { Post, Snapshot, Store } from "./store.js";

/** Who is told, and asked, beside the store. */
export interface Surroundings {
  store: Store;
  /** Gives the right to attach and to shake hands; `fresh` asks for a new one. Rejects with Refused. */
  right(fresh: boolean): Promise<Right>;
  /** Hears that something may look different: called after each commit. */
  changed(): void;
  /** Hears what the host says in passing. */
  heard(items: readonly DownLiveItem[]): void;
  /** Hears that the host has ended the pairing: its keys are to go. */
  revoked(): Promise<void>;
  /** Hears that the pairing is active by its first session: older ones with the same host are to end. */
  activated(): Promise<void>;
}

/** One pairing's line, for as long as `run` runs. */
export class LineClient implements ThreadEnd {
  private readonly client: ThreadClient;
  private revision: number;
  private current: Line;
  private turn: Promise<unknown> = Promise.resolve();
  private takeBackTimer: () => void = () => undefined;
  private readonly waiting = new Map<Command, (post: Post | null) => void>();
  private why: Refused | null = null;
  private shaking = false;
  private isAstray = false; // what could not be committed is still in the line: the store could not be read
  private owesActivated = false;

  private constructor(
    private readonly own: Own,
    private readonly means: Means,
    private readonly around: Surroundings,
    snapshot: Snapshot,
  ) {
    this.client = new ThreadClient(this, means);
    this.revision = snapshot.revision;
    this.current = new Line(own, snapshot);
  }

  /** Reads the pairing out of the store. Rejects with NOT_PAIRED when it is not there, or over. */
  static async open(own: Own, means: Means, around: Surroundings): Promise<LineClient> {
    const snapshot = await around.store.load(own.keys.pairId);
    if (snapshot === null || snapshot.state === "ended") throw new Refused(Reason.NOT_PAIRED);
    const line = new LineClient(own, means, around, snapshot);
    await line.input(async (one, times) => one.began(times));
    return line;
  }

  /** The line as it stands. Read it, and nothing more: it is another one after a failed commit. */
  get line(): Line {
    return this.current;
  }

  /** Why there is no stream; null while there is one, or before the first try. */
  get error(): Refused | null {
    return this.why;
  }

  /** The relay that was dialled last. */
  get relay(): string {
    return this.client.relay;
  }

  /** Holds the stream. Resolves after `leave`; rejects with Refused when coming back is of no use. */
  async run(): Promise<void> {
    try {
      await this.client.run();
    } finally {
      this.takeBackTimer();
      // Nothing tells the time any more, so no command's would be over. What is under way may still post one.
      this.turn = this.turn.then(() => { this.endCommands(this.current); });
    }
  }

  /** Says goodbye; `run` resolves. Commands that wait hear what is known of them. */
  leave(): void {
    this.client.leave();
  }

  /** Takes the open stream for lost, and opens another. */
  renew(): void {
    this.client.renew();
  }

  /** Opens a stream at once where it would wait to. */
  retry(): void {
    this.client.retry();
  }

  /** Sends a command until there is a verdict; gives the post that has it, the last one without, or null when nothing was posted. Nothing is begun behind `beginByMs`, on the wall. */
  async send(command: Command, beginByMs = Infinity): Promise<Post | null> {
    return (await this.begin(command, beginByMs)).over;
  }

  /** Begins to send a command: it is committed when this resolves, and `over` gives what `send` does. */
  async begin(command: Command, beginByMs = Infinity): Promise<{ over: Promise<Post | null> }> {
    const over = new Promise<Post | null>((resolve) => this.waiting.set(command, resolve));
    await this.input(async (line, times) => line.begin(command, times, beginByMs)).catch((problem: unknown) => {
      this.waiting.delete(command); // whoever asked hears it by that
      throw problem;
    });
    return { over };
  }

  /** Keeps a task whose files are on their way; `send` begins it. Rejects with BAD_REQUEST, STORE_FAILED. */
  async keep(command: Command): Promise<void> {
    await this.input(async (line, times) => line.keep(command, times));
  }

  /** Says that they do not come: the task is not sent. */
  async giveUp(taskId: TaskId, why: Reason): Promise<void> {
    await this.input(async (line, times) => line.giveUp(taskId, why, times));
  }

  /** Drops a task that was never sent, or dismisses one of which nothing can be heard. Rejects with TASK_OVER, NOT_OVER. */
  async putAway(taskId: TaskId, how: "drop" | "dismiss"): Promise<void> {
    await this.input(async (line, times) => line.putAway(taskId, how, times));
  }

  /** Says whether a person looks. */
  async look(looking: boolean): Promise<void> {
    await this.input(async (line, times) => line.look(looking, times));
  }

  /** Has the host show that it lives; `line.probeAnswer` has what it says. */
  async probe(): Promise<void> {
    await this.input(async (line, times) => line.probe(times));
  }

  /** Says where and when this phone is called, on each stream until the relay has kept it; `line.pushTargetKept` has its answer. */
  async callAt(target: PushTarget): Promise<void> {
    await this.input(async (line, times) => line.callAt(target, times));
  }

  /** Tells the host of a transfer. Rejects with NO_NETWORK without a session. */
  async transfer(item: Parameters<Line["transfer"]>[0]): Promise<void> {
    await this.input(async (line, times) => line.transfer(item, times)).catch((problem: unknown) => {
      throw problem instanceof NoSession ? new Refused(Reason.NO_NETWORK, "no session with the computer") : problem;
    });
  }

  // ---- ThreadEnd.

  async right(fresh: boolean): Promise<Right> {
    // A stream resumes where the store is, and nowhere else.
    if (this.isAstray) await this.input(async (line, times) => line.due(times));
    return this.around.right(fresh);
  }

  resumeAfter(): bigint {
    return this.current.cursor;
  }

  looking(): boolean {
    return this.current.isLooking;
  }

  async opened(opened: Opened): Promise<void> {
    this.why = null;
    await this.input(async (line, times) => line.opened(opened, times), true);
  }

  async received(frames: readonly RelayFrame[]): Promise<void> {
    const { revoked, activated } = await this.input(async (line, times) => line.received(frames, times), true);
    if (revoked) {
      await this.around.revoked();
      throw new Refused(Reason.NOT_PAIRED, "the computer has ended the pairing");
    }
    this.owesActivated ||= activated;
    if (!this.owesActivated) return;
    await this.around.activated().catch((problem: unknown) => { throw ofTheStore(problem); });
    this.owesActivated = false;
  }

  async closed(error: Refused, final: boolean): Promise<void> {
    this.why = error;
    // A line that is made anew from the store has no stream either: only that there is no pairing any more is news to `run`.
    await this.input(async (line, times) => line.closed(error, final, times)).catch((problem: unknown) => {
      if (!final && problem instanceof Refused && FINAL.includes(problem.reason)) throw problem;
    });
  }

  // ---- Steps.

  /** Makes a step when those before are through. `ofTheStream`: what it rejects with ends the stream. */
  private async input(make: (line: Line, times: Times) => Promise<Step>, ofTheStream = false): Promise<Step> {
    const mine = this.turn.then(async () => {
      if (this.isAstray) await this.backToTheStore().catch(async (problem: unknown) => {
        // Nothing of it is carried out; but what a person wishes is handed on by the line that goes.
        await make(this.current, this.times()).catch(() => undefined);
        throw problem;
      });
      let step: Step;
      try {
        step = await make(this.current, this.times());
      } catch (problem) {
        // What is refused, or has no session, is so before anything has changed; but no step of the stream is left half made.
        const unchanged = !ofTheStream && (problem instanceof Refused || problem instanceof NoSession);
        if (!unchanged) {
          await this.backToTheStore().finally(() => {
            if (!ofTheStream) this.client.renew(); // the stream that is open is of the line that went
          });
        }
        throw problem;
      }
      await this.carryOut(step);
      return step;
    });
    this.turn = mine.catch(() => undefined);
    return mine;
  }

  private async carryOut(step: Step): Promise<void> {
    const { store } = this.around;
    if (step.changes.length > 0) {
      try {
        await store.commit(this.own.keys.pairId, this.revision, step.changes);
      } catch (problem) {
        await this.backToTheStore().finally(() => { this.client.renew(); });
        throw ofTheStore(problem);
      }
      this.revision++;
    }
    if (step.frames.length > 0) this.client.send(...step.frames);
    for (const { command, post } of step.over) {
      this.waiting.get(command)?.(post);
      this.waiting.delete(command);
    }
    if (step.heard.length > 0) this.around.heard(step.heard);
    this.around.changed();
    this.plan(step);
  }

  /** Forgets what could not be committed. Commands that wait hear what is known of them. Rejects with NOT_PAIRED, STORE_FAILED. */
  private async backToTheStore(): Promise<void> {
    this.isAstray = true;
    const snapshot = await this.around.store.load(this.own.keys.pairId).catch((problem: unknown) => { throw ofTheStore(problem); });
    if (snapshot === null) throw new Refused(Reason.NOT_PAIRED);
    [this.revision, this.isAstray] = [snapshot.revision, false];
    const before = this.current;
    this.current = new Line(this.own, snapshot, before.wishes);
    this.endCommands(before);
  }

  /** Tells commands that wait what is known of them, by the line that had them. Those that no step has begun yet go on. */
  private endCommands(by: Line): void {
    for (const [command, resolve] of this.waiting) {
      if (!by.hasBegun(command)) continue;
      const posted = by.lastPosted(command);
      resolve(posted === null ? null : this.current.ledger.post(posted)); // an attempt that went out may count
      this.waiting.delete(command);
    }
  }

  /** Sees to what is due by time. */
  private plan(step: Step): void {
    this.takeBackTimer();
    if (step.wantsHandshake && !this.shaking) void this.shakeHands();
    if (step.dueInMs !== null) this.takeBackTimer = this.means.clock.after(step.dueInMs, () => { this.pass(async (line, times) => line.due(times)); });
  }

  /** Begins a handshake once there is a grant for it; one at a time. */
  private async shakeHands(): Promise<void> {
    this.shaking = true;
    const grant: Bytes | null = await this.around.right(false).then((right) => right.grant, (problem: unknown) => {
      // Until a person helps there is no grant: whoever opens the next stream asks for one as well, and hears why.
      if (problem instanceof Refused && FINAL.includes(problem.reason)) this.client.renew();
      return null;
    });
    this.pass(async (line, times) => {
      this.shaking = false;
      return grant === null ? line.noGrant(times) : line.shakeHands(grant, times);
    });
  }

  /** Makes a step that nobody waits for. What it fails with the stream hears, when the line goes back to the store. */
  private pass(make: (line: Line, times: Times) => Promise<Step>): void {
    this.input(make).catch(() => undefined);
  }

  private times(): Times {
    const { clock } = this.means;
    return { nowMs: clock.nowMs(), wallMs: clock.wallMs() };
  }
}

/** Says of what the store could not do that it may pass. */
function ofTheStore(problem: unknown): Refused {
  return problem instanceof Refused ? problem : new Refused(Reason.STORE_FAILED);
}
