/**
 * One host as a screen sees it: its line, its thread, what it says in passing, and the files that go to and fro.
 *
 * `changed` counts up whenever something may look different. The line's rules are the protocol's; this carries a person's wishes to it.
 */

import { create, fromBinary } from "@bufbuild/protobuf";
import { type Signal, signal } from "@preact/signals";

import { type Carrying, join } from "../../ground/carrying.js";
import { chance, clock, rng } from "../../ground/clock.js";
import type { KeptPairing, KeptPairings, Known } from "../../ground/kept_pairings.js";
import { fetched, given, type Told, type Way } from "../../ground/moving.js";
import { digestOf } from "../../ground/parts.js";
import { EMPTY, hex } from "../../protocol/bytes.js";
import { Reason } from "../../protocol/dispatch/api/error/v1/error_pb.js";
import { type Presence, type PushTarget, type PushTargetKept, PushTargetSchema, Reachability } from "../../protocol/dispatch/api/relay/v1/relay_pb.js";
import {
  type Answered, type Attachment, AttachmentSchema, type DownLiveItem, type Event, type KeepAwake, KeepAwakeSchema, type Permissions, PermissionsSchema,
  type Progress,
} from "../../protocol/dispatch/api/thread/v1/thread_pb.js";
import { reasonOf, Refused } from "../../protocol/errors.js";
import { ID_BYTES, type PairId, type TaskId, type TransferId } from "../../protocol/ids.js";
import { KEY_BYTES } from "../../protocol/sealed/file.js";
import { Backoff } from "../../protocol/thread/backoff.js";
import type { Dial } from "../../protocol/thread/carrier.js";
import type { Identity, Right } from "../../protocol/thread/client.js";
import { answer, cancel, type Command, steer } from "../../protocol/thread/commands.js";
import { eventOf } from "../../protocol/thread/events.js";
import { LineClient } from "../../protocol/thread/line_client.js";
import type { Post, Store, Task } from "../../protocol/thread/store.js";
import { OUTCOMES } from "../../protocol/thread/task_view.js";
import { type Answerable, give, type Given } from "./answering.js";
import { Outgoing } from "./outgoing.js";
import type { Asked, Item, Mark } from "./story.js";
import { thread } from "./story.js";

/** How a host is, as it can be shown. */
export type Standing = "over" | "stopped" | "connecting" | "no_network" | "reachable" | "unsteady" | "reconnecting" | "absent";

/** For so long after the ceremony, ms, a service that knows of no pairing is asked again: the host tells it. */
const FRESH_MS = 120_000;
const AGAIN_MS = 1_000;
/** After these there is no pairing any more; after others a person may mend something and connect again. */
const NO_PAIRING: readonly Reason[] = [Reason.NOT_PAIRED, Reason.HOST_REVOKED, Reason.DEVICE_REVOKED];

type Begin = NonNullable<Awaited<ReturnType<KeptPairings["keys"]>>>;
type Wanted = Parameters<typeof create<typeof PushTargetSchema>>[1];

/** What links share. */
export interface Around {
  pairings: Store & Pick<KeptPairings, "all" | "end" | "keys" | "rename" | "settle">;
  dial: Dial;
  identity: Identity;
  sign: Identity["sign"];
  right(pairId: PairId, fresh: boolean): Promise<Right>;
  /** Hears that nothing goes on before the person has signed in again. */
  signInNeeded(why: Refused): void;
  /** Hears that a pairing became active by its first session: older ones with that host are over. */
  activated(): void;
}

/** One pairing. */
export class Link implements Answerable {
  readonly id: string;
  readonly changed: Signal<number> = signal(0);
  /** Text that comes while a task runs, and how far a step is, by task. */
  readonly partial = new Map<string, string>();
  readonly progress = new Map<string, Progress>();
  /** Why there will be no stream any more; null while there may. */
  over: Refused | null = null;
  private client: LineClient | null = null;
  private holding = false; // between `open` and the end of the stream: there is one at a time
  private closed = false;
  private ended = false;
  private looking = false;
  private target: PushTarget | null = null; // where this phone is called, as it was said last
  private met = false; // whether there was a stream
  private told: Event[] = [];
  private lost: Mark[] = [];
  private toldUpTo = 0n;
  private reading: Promise<void> = Promise.resolve();
  private items: { at: number; items: readonly Item[] } = { at: -1, items: [] };
  private restTasks: readonly Task[] = [];
  private readonly transfers = new Map<string, (why: Refused) => void>(); // what ends each that is under way

  constructor(
    private kept: KeptPairing,
    private readonly around: Around,
  ) {
    this.id = hex(kept.pairId);
  }

  get pairId(): PairId {
    return this.kept.pairId;
  }

  get known(): Known {
    return this.kept.known;
  }

  get name(): string {
    return this.known.label || this.known.hostName;
  }

  /** Reads the thread, and holds the stream unless the pairing is over. Does nothing while it is held, or on its way. */
  async open(): Promise<void> {
    if (this.holding) return;
    [this.holding, this.over, this.client] = [true, null, null];
    this.touch();
    try {
      await (this.reading = this.reading.then(async () => this.readOn()));
      const begin = await this.around.pairings.keys(this.pairId);
      if (begin !== null) {
        void this.hold(begin);
        return;
      }
      const { reason = "", tasks = [] } = (await this.around.pairings.load(this.pairId)) ?? {};
      this.over = new Refused(reason === "" ? Reason.NOT_PAIRED : reasonOf(reason));
      this.restTasks = tasks;
    } catch (problem) {
      this.over = refused(problem); // what is kept can't be read: this one is stopped, and the others go on
    }
    this.holding = false;
    this.touch();
  }

  /** Makes a line from what is kept. Rejects with Refused. */
  private async line(begin: Begin): Promise<LineClient> {
    const { identity, dial, pairings } = this.around;
    return LineClient.open(
      { keys: begin.keys, sign: this.around.sign, rng, signedFor: begin.signedFor },
      { dial, identity, clock, rng, backoff: new Backoff(chance) },
      {
        store: pairings,
        right: async (fresh) => this.around.right(this.pairId, fresh),
        changed: () => { this.touch(); },
        heard: (items) => { this.heard(items); },
        revoked: async () => this.end(),
        activated: async () => pairings.settle().then(() => { this.around.activated(); }),
      },
    );
  }

  /** Goes to where a person signs in: a device whose key was revoked comes back as a new one. */
  signInAgain(): void {
    this.around.signInNeeded(new Refused(this.cause));
  }

  /** Leaves the stream, or the way to it, for good. */
  close(): void {
    this.closed = true;
    this.outgoing.close();
    this.client?.leave();
  }

  /** Takes the stream for lost: there is no network any more. */
  renew(): void {
    this.client?.renew();
  }

  /** Tries to open a stream at once, if there is none. */
  retry(): void {
    this.client?.retry();
  }

  /** Drops the keys: the pairing is over. */
  async end(): Promise<void> {
    this.ended = true;
    this.restTasks = this.client?.line.ledger.all() ?? this.restTasks;
    await this.around.pairings.end(this.pairId);
  }

  // ---- What is shown.

  /** Has the screen that asks be drawn again when something changes; gives how often that was. */
  watch(): number {
    return this.changed.value;
  }

  /** The thread, oldest first. */
  get thread(): readonly Item[] {
    if (this.items.at !== this.changed.value) this.items = { at: this.changed.value, items: thread(this.tasks, this.told, this.lost) };
    return this.items.items;
  }

  get tasks(): readonly Task[] {
    return this.client?.line.ledger.all() ?? this.restTasks;
  }

  get presence(): Presence | null {
    return this.client?.line.host ?? null;
  }

  get standing(): Standing {
    if (this.over !== null) return NO_PAIRING.includes(this.over.reason) ? "over" : "stopped";
    const { presence } = this;
    if (presence === null) return (this.client?.error ?? null) === null || (this.isFresh && !this.met) ? "connecting" : "no_network";
    if (presence.state === Reachability.ABSENT) return NO_PAIRING.includes(presence.cause) ? "over" : "absent";
    if (presence.state !== Reachability.REACHABLE) return "reconnecting";
    return presence.unsteady ? "unsteady" : "reachable";
  }

  /** Why there is no stream, or why the host is away. */
  get cause(): Reason {
    if (this.over !== null) return this.over.reason;
    return this.presence?.state === Reachability.ABSENT ? this.presence.cause : (this.client?.error?.reason ?? Reason.UNSPECIFIED);
  }

  /** Whether the host's computer is kept awake, and what agents may do there, as it said last; null for what it has not said. */
  async lastWord(): Promise<{ awake: KeepAwake | null; permissions: Permissions | null }> {
    const { keepAwake, permissions } = (await this.core()) ?? { keepAwake: EMPTY, permissions: EMPTY };
    return {
      awake: keepAwake.length === 0 ? null : fromBinary(KeepAwakeSchema, keepAwake),
      permissions: permissions.length === 0 ? null : fromBinary(PermissionsSchema, permissions),
    };
  }

  /** How often something came that did not open, or that did not prove what it says (docs/phone.md). */
  async holes(): Promise<number> {
    return (await this.core())?.holes ?? 0;
  }

  private async core(): Promise<KeptPairing["core"] | undefined> {
    return (await this.around.pairings.all()).find(({ pairId }) => hex(pairId) === this.id)?.core;
  }

  /** What a browser subscribes with at its push service; empty for none. */
  get pushKey(): Uint8Array {
    return this.client?.line.pushKey ?? EMPTY;
  }

  /** What the relay answered to where this phone is called; null while it has not. */
  get pushTargetKept(): PushTargetKept | null {
    return this.client?.line.pushTargetKept ?? null;
  }

  /** Questions that wait for the person. */
  get waiting(): number {
    return this.thread.filter((item) => "task" in item && item.task.asked !== null).length;
  }

  /** The number of the relay's row that was read last. */
  get readTo(): bigint {
    return this.client?.line.cursor ?? 0n;
  }

  /** Whether all that was read is in the thread. */
  get upToDate(): boolean {
    return (this.client?.line.head.number ?? 0n) <= this.toldUpTo;
  }

  /** Whether all that the computer has said is here, and in the thread. */
  get complete(): boolean {
    return this.client?.line.complete === true && this.upToDate;
  }

  // ---- What a person wants. Each gives why it did not get through, or null.

  /** Sends a task. Null once it has a card: that says what becomes of it, also that nothing was sent. */
  async send(words: string, files: readonly File[]): Promise<Refused | null> {
    return this.outgoing.send(words, files);
  }

  /** Sends a task again: its next attempt, with the same words, of which the host takes one. */
  async resend(taskId: TaskId): Promise<Refused | null> {
    const known = this.tasks.find((one) => hex(one.taskId) === hex(taskId));
    if (known === undefined) return new Refused(Reason.TASK_UNKNOWN);
    return this.outgoing.go({ taskId, what: "task", text: known.text, action: known.action });
  }

  /** Ends a task, wherever it is; one whose files are on their way goes nowhere. */
  async cancel(taskId: TaskId): Promise<Refused | null> {
    if (this.outgoing.stop(taskId)) return null;
    return this.through(() => cancel(taskId, rng));
  }

  async steer(taskId: TaskId, words: string): Promise<Refused | null> {
    return this.through(() => steer(taskId, words, rng));
  }

  /** Answers a question, and waits for the computer's own word on it. Not begun behind `beginByMs`, on the wall. */
  async answer(taskId: TaskId, { question }: Asked, said: string, beginByMs = Infinity): Promise<Given> {
    return give(this, () => answer(taskId, question, said, rng), { beginByMs });
  }

  async bring(command: Command, beginByMs: number): Promise<Post | null> {
    return this.held().send(command, beginByMs);
  }

  /** The answers that the thread has. */
  get answered(): readonly Answered[] {
    return this.told.flatMap(({ event }) => (event.case === "answered" ? [event.value] : []));
  }

  isOver(taskId: TaskId): boolean {
    return this.tasks.some((one) => hex(one.taskId) === hex(taskId) && OUTCOMES.has(one.view.state));
  }

  async putAway(taskId: TaskId, how: "drop" | "dismiss"): Promise<Refused | null> {
    if (this.client === null) return this.unheld();
    if (how === "drop") this.outgoing.drop(taskId);
    return this.client.putAway(taskId, how).then(() => null, refused);
  }

  async look(looking: boolean): Promise<void> {
    this.looking = looking;
    await this.client?.look(looking).catch(() => undefined); // said again when there is a stream
  }

  async rename(label: string): Promise<void> {
    await this.around.pairings.rename(this.pairId, label);
    this.kept = { ...this.kept, known: { ...this.known, label } };
    this.touch();
  }

  /** Says where this phone is called: on each stream, until the relay has answered. */
  async callAt(target: NonNullable<Wanted>): Promise<void> {
    this.target = create(PushTargetSchema, target);
    await this.client?.callAt(this.target).catch(() => undefined); // said again when there is a line
  }

  // ---- Files.

  /** What the person writes, and what is on its way behind files. */
  readonly outgoing = new Outgoing({
    newTask: () => rng(ID_BYTES) as TaskId,
    described: async (file) =>
      create(AttachmentSchema, { fileId: rng(ID_BYTES), key: rng(KEY_BYTES), name: file.name, size: BigInt(file.size), sha256: await digestOf(file, () => undefined) }),
    start: async (command) => { await this.held().begin(command); },
    keep: async (command) => this.held().keep(command),
    give: async (attachment, file, told, stop) => given(this.way(), attachment, file, told, stop),
    giveUp: async (taskId, why) => this.client?.giveUp(taskId, why),
    send: async (command) => this.through(() => command),
  });

  /** Fetches an artifact. Rejects with Refused. */
  async fetch(file: Attachment, told: Told, stop: AbortSignal): Promise<Blob> {
    return fetched(this.way(), file, told, stop);
  }

  private way(): Way {
    return { clock, rng, backoff: () => new Backoff(chance), join: async (...of) => this.join(...of) };
  }

  /** Tells the host of a transfer and joins it, unless the host goes away or says no meanwhile. */
  private async join(transferId: TransferId, ask: "offer" | "want", file: Attachment, freshRight: boolean, stop: AbortSignal): Promise<Carrying> {
    const { client, gone } = this;
    if (client === null || gone !== null) throw gone ?? new Refused(Reason.NOT_PAIRED);
    if (!client.line.ready) throw new Refused(Reason.NO_NETWORK, "no session with the computer");
    const right = await this.around.right(this.pairId, freshRight);
    if (stop.aborted) throw stopped(); // whoever stopped it is not heard any more
    const ending = new AbortController();
    const ended = new Promise<never>((_, reject) => {
      const end = (why: Refused): void => {
        reject(why); // before the stream that it closes says that it was closed
        ending.abort();
      };
      this.transfers.set(hex(transferId), end);
      stop.addEventListener("abort", () => { end(stopped()); }, { once: true });
    });
    ended.catch(() => undefined); // the stream that it closes says so, too
    const forget = (): void => void this.transfers.delete(hex(transferId));
    try {
      await client.transfer({ item: ask === "offer"
        ? { case: "fileOffer", value: { transferId, file } }
        : { case: "fileWanted", value: { transferId, fileId: file.fileId } } });
      const { dial, identity } = this.around;
      const joining = join({ dial, relay: client.relay, grant: right.grant, transferId, identity, rng, clock, ending });
      const carrying = await Promise.race([joining, ended]);
      return { ...carrying, hear: async () => Promise.race([carrying.hear(), ended]), close: () => { forget(); carrying.close(); } };
    } catch (problem) {
      forget();
      ending.abort();
      throw problem;
    }
  }

  /** Why no file goes to and fro: there is no pairing any more, or the host is away. */
  private get gone(): Refused | null {
    const { over, presence } = this;
    return over ?? (presence?.state === Reachability.ABSENT ? new Refused(presence.cause) : null);
  }

  // ---- Within.

  /** Holds the stream until it is left, or nothing is gained by coming back. */
  private async hold(begin: Begin): Promise<void> {
    for (;;) {
      try {
        const client = await this.line(begin);
        if (this.closed) return;
        this.client = client;
        this.touch();
        await client.look(this.looking);
        if (this.target !== null) await client.callAt(this.target);
        await client.run();
        return;
      } catch (problem) {
        const why = refused(problem);
        this.restTasks = this.client?.line.ledger.all() ?? this.restTasks;
        if (why.reason !== Reason.NOT_PAIRED || !this.isFresh || this.ended) {
          this.over = this.ended ? new Refused(Reason.HOST_REVOKED) : why; // by the host's own word
          break;
        }
      }
      await new Promise<void>((resolve) => clock.after(AGAIN_MS, resolve));
      if (this.closed) return;
    }
    this.holding = false;
    if (this.over.reason === Reason.SIGN_IN_REQUIRED) this.around.signInNeeded(this.over);
    this.touch();
  }

  /** Whether the host may be just about to tell the service of the pairing. */
  private get isFresh(): boolean {
    return clock.wallMs() - this.known.madeAtMs < FRESH_MS;
  }

  /** Makes a command and sends it. Gives why it did not get through, also where there can be no such command; never rejects. */
  private async through(make: () => Command): Promise<Refused | null> {
    try {
      return verdict(await this.held().send(make()));
    } catch (problem) {
      return refused(problem);
    }
  }

  /** Gives the line. Throws why nothing can be said. */
  private held(): LineClient {
    if (this.client === null || this.over !== null) throw this.unheld();
    return this.client;
  }

  /** Why nothing can be said: there is no line any more, or not yet. */
  private unheld(): Refused {
    return this.over ?? new Refused(Reason.NO_NETWORK);
  }

  private touch(): void {
    this.met ||= this.presence !== null;
    const { gone } = this;
    if (gone !== null) for (const end of this.transfers.values()) end(gone);
    this.reading = this.reading.then(async () => this.readOn()).catch(() => undefined).then(() => { this.changed.value++; });
  }

  private async readOn(): Promise<void> {
    const head = this.client?.line.head.number ?? null;
    if (head !== null && head <= this.toldUpTo) return;
    for (const { number, content, shown } of await this.around.pairings.events(this.pairId, this.toldUpTo)) {
      this.toldUpTo = number;
      if (content === null) this.lost.push({ kind: "lost", number, atMs: Number(this.told.at(-1)?.atMs ?? 0n) }); // behind what came before
      else if (shown) this.tell(eventOf(content));
    }
  }

  private tell(event: Event): void {
    this.told.push(event);
    if (event.event.case === "resultText" || event.event.case === "ended") {
      this.partial.delete(hex(event.taskId));
      this.progress.delete(hex(event.taskId));
    }
  }

  private heard(items: readonly DownLiveItem[]): void {
    for (const { item } of items) {
      if (item.case === "partialText") {
        const { taskId, delta, offset } = item.value;
        // Characters are the host's: code points, which is what spreading gives. What was missed stays out until the result, which repeats all of it.
        // eslint-disable-next-line @typescript-eslint/no-misused-spread -- code points are what the host counts
        const before = [...(this.partial.get(hex(taskId)) ?? "")].slice(0, Number(offset)).join("");
        this.partial.set(hex(taskId), before + delta);
      } else if (item.case === "progress") {
        this.progress.set(hex(item.value.taskId), item.value);
      } else if (item.case === "transferRefused") {
        this.transfers.get(hex(item.value.transferId))?.(new Refused(item.value.reason, "the computer says so"));
      }
    }
    this.touch();
  }
}

function stopped(): Refused {
  return new Refused(Reason.NO_NETWORK, "stopped here");
}

function verdict(post: Post | null): Refused | null {
  if (post === null) return new Refused(Reason.NO_NETWORK);
  if (post.verdict === "refused") return new Refused(Reason[post.reason as keyof typeof Reason], "", post.retryAfterMs);
  return post.verdict === "taken" ? null : new Refused(Reason.NO_NETWORK);
}

/** Takes whatever went wrong for a refusal. */
export function refused(problem: unknown): Refused {
  return problem instanceof Refused ? problem : new Refused(Reason.INTERNAL, problem instanceof Error ? problem.name : "");
}
