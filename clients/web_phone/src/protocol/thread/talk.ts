/**
 * What phone and host say to each other in passing, and how their session begins. docs/encryption.md "Session" has the table.
 *
 * Knows no stream: what came in is told, and what is to be said is handed out. Called by a `line`.
 */

import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";

import { type Bytes, equal, hex, readU64 } from "../bytes.js";
import { type DownLiveItem, DownLiveSchema, type UpLiveItemSchema, UpLiveSchema } from "../dispatch/api/thread/v1/thread_pb.js";
import { messageId } from "../encoding.js";
import type { MessageId, Rng } from "../ids.js";
import { isHandshake } from "../sealed/handshake.js";
import { type Head, NO_HEAD, sameHead } from "../sealed/head.js";
import type { PairKeys } from "../sealed/pair_keys.js";
import { type Begun, PhoneSession } from "../sealed/session.js";
import type { Read, Reader } from "./reading.js";
import { Tending } from "./tending.js";

export const SEEN_EVERY_MS = 500;
export const RESEND_EVERY_MS = 3_000;

/** The host's answer to a probe, and how long it took. */
export interface ProbeAnswer {
  number: bigint;
  roundTripMs: number;
  /** This phone's task that runs; empty for none. */
  runningTaskId: Bytes;
  busy: boolean;
  waitingTasks: number;
}

type Up = MessageInitShape<typeof UpLiveItemSchema>;

/** What was heard in passing: a new session, or words of the host; neither when it did not open. */
export interface Heard {
  begun: Begun | null;
  items: DownLiveItem[];
}

/** The session of one pairing, and what is said in it. Memory only: gone with the page, as it has to be. */
export class Talk {
  readonly session: PhoneSession;
  readonly tending = new Tending();
  private readonly commands = new Set<string>(); // sealed in the session that there is
  private seen: Head = NO_HEAD;
  private seenAtMs = -SEEN_EVERY_MS;
  private asked: readonly [bigint, bigint] | null = null;
  private askedAtMs = 0;
  private probing: { number: bigint; atMs: number } | null = null;
  /** The answer to the newest probe that was answered. */
  probeAnswer: ProbeAnswer | null = null;

  constructor(
    keys: PairKeys,
    private readonly rng: Rng,
    private readonly say: (sealed: Bytes) => void,
  ) {
    this.session = new PhoneSession(keys, rng);
  }

  /** Begins a handshake; an earlier one is given up, the session goes on meanwhile. */
  async shakeHands(grant: Bytes, head: Head, nowMs: number): Promise<void> {
    this.tending.started(nowMs);
    this.say(await this.session.start(grant, head, nowMs));
  }

  /** Hears a row: one of the session's shows that the host is in it. */
  rowRead({ epoch }: Read): void {
    if (epoch !== null && this.session.epoch !== null && equal(epoch, this.session.epoch)) this.tending.begun();
  }

  /**
   * Hears that a handshake would mend why a command was refused: until there is another session nothing more is sealed. Of a command
   * that went out bare, or in an earlier session, that says nothing new: the handshake that it asks for is due, under way or over.
   */
  refused(command: MessageId): void {
    if (!this.commands.delete(hex(command))) return;
    this.tending.refused();
    this.commands.clear();
    this.session.end();
  }

  /** Hears that the clock stood still while the host's went on: until there is another session nothing is sealed. */
  slept(): void {
    this.tending.slept();
    this.commands.clear();
    this.session.drop();
    this.asked = this.probing = null;
  }

  /** Hears that the stream is gone: the next one begins with a handshake. */
  lost(): void {
    this.tending.streamLost();
    this.commands.clear();
    this.session.drop();
    this.asked = this.probing = null;
  }

  /** Takes what was said in passing. After a new session the caller notes its chain, which is committed before Confirm goes out. */
  async hear(sealed: Bytes, nowMs: number): Promise<Heard> {
    if (isHandshake(sealed)) {
      const begun = await this.session.finish(sealed, nowMs);
      if (begun !== null) {
        this.commands.clear();
        this.tending.finished(nowMs);
        this.tell({ item: { case: "confirm", value: {} } });
      }
      return { begun, items: [] };
    }
    const body = this.session.openLive(sealed);
    if (typeof body === "string") return { begun: null, items: [] };
    const items = itemsOf(body);
    for (const { item } of items) {
      if (item.case !== "probeReply" || this.probing?.number !== item.value.number) continue;
      const { number, runningTaskId, busy, waitingTasks } = item.value;
      this.probeAnswer = { number, roundTripMs: Math.max(0, nowMs - this.probing.atMs), runningTaskId, busy, waitingTasks };
      this.probing = null;
    }
    return { begun: null, items };
  }

  /** Has the host show that it lives; gives the number of the probe, which is an earlier one's that is still on its way. */
  probe(nowMs: number): bigint {
    if (this.probing === null) {
      this.probing = { number: readU64(this.rng(8)), atMs: nowMs };
      this.tell({ item: { case: "probe", value: { number: this.probing.number } } });
    }
    return this.probing.number;
  }

  /** Says what is due: what is missing of the thread, and what was seen of it. Gives the ms until something else is. */
  due(nowMs: number, reader: Reader, caughtUp: boolean): number[] {
    return this.session.ready ? [...this.resendDue(nowMs, reader, caughtUp), ...this.seenDue(nowMs, reader.head)] : [];
  }

  /** Seals a command. Throws NoSession, or RangeError for a body that is too long. */
  sealCommand(body: Bytes): Bytes {
    const sealed = this.session.sealCommand(body);
    this.commands.add(hex(messageId(sealed)));
    return sealed;
  }

  /** Says something. Throws NoSession where there is none. */
  tell(...items: Up[]): void {
    this.say(this.session.sealLive(toBinary(UpLiveSchema, create(UpLiveSchema, { items }))));
  }

  /** Asks for the events that the host has and this phone has not, once all rows are read. */
  private resendDue(nowMs: number, reader: Reader, caughtUp: boolean): number[] {
    const missing = caughtUp ? reader.missing() : null;
    if (missing === null) {
      this.asked = null;
      return [];
    }
    const [from, to] = missing;
    const leftMs = this.askedAtMs + RESEND_EVERY_MS - nowMs;
    if (this.asked?.[0] === from && this.asked[1] === to && leftMs > 0) return [leftMs];
    [this.asked, this.askedAtMs] = [missing, nowMs];
    this.tell({ item: { case: "resend", value: { from, to } } });
    return [RESEND_EVERY_MS];
  }

  private seenDue(nowMs: number, head: Head): number[] {
    if (sameHead(head, this.seen)) return [];
    const leftMs = this.seenAtMs + SEEN_EVERY_MS - nowMs;
    if (leftMs > 0) return [leftMs];
    [this.seen, this.seenAtMs] = [head, nowMs];
    this.tell({ item: { case: "seen", value: { head: { ...head } } } });
    return [];
  }
}

function itemsOf(body: Bytes): DownLiveItem[] {
  try {
    return fromBinary(DownLiveSchema, body).items;
  } catch {
    return []; // sealed by the host, and of a version that this one can't read
  }
}
