/**
 * From sealed rows to the thread: opens them, checks the chain of events, and tells the ledger what they say of tasks.
 *
 * Works in memory and notes what is to be committed; when that fails, a new Reader is made from the store.
 * docs/encryption.md "Events", "Keep chains".
 */

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";

import { type Bytes, equal, hex } from "../bytes.js";
import {
  ActionSchema, type Begin, type DownKeepItem, DownKeepSchema, type Event, EventSchema, type HeadSignature, type KeepAwake, KeepAwakeSchema,
  type Permissions, PermissionsSchema,
} from "../dispatch/api/thread/v1/thread_pb.js";
import { type EventId, ID_BYTES, type PairId, type TaskId } from "../ids.js";
import { boundedMoment } from "../moments.js";
import { LARGEST } from "../places.js";
import type { Chain } from "../sealed/chain.js";
import { SealError } from "../sealed/errors.js";
import { HASH_BYTES, type Head, sameHead } from "../sealed/head.js";
import { Arrivals, type Entry, eventHash, verifyHead, verifyTask } from "../sealed/history.js";
import { type Chains, openKeep, prune } from "../sealed/keep.js";
import { eventOf } from "./events.js";
import { factOf } from "./facts.js";
import type { Ledger } from "./ledger.js";
import type { Change, Snapshot } from "./store.js";

/** Bytes of what agents may do there: twice what a host says of it. */
export const LONGEST_PERMISSIONS = 48 * 1024;
/** Characters of the name of what keeps a computer awake. */
const LONGEST_GIVER = 64;

/** What a row turned out to be. `epoch` is null for one that did not open. */
export interface Read {
  epoch: Bytes | null;
  /** Whether it stands before the place where its chain is: it came before, or was passed over, and Resend brings what it said. */
  old: boolean;
  revoked: boolean;
  begin: Begin | null;
}

/** Whose thread it is. */
export interface Reading {
  pairId: PairId;
  hostKey: Bytes;
  ownKey: Bytes;
  /** The pairings of these two devices, this one first: the host's thread goes on through all, and each command was signed for its own. */
  signedFor: readonly PairId[];
}

/** The thread of one pairing as it is being read. */
export class Reader {
  private chains: Chains;
  private readonly arrivals: Arrivals;
  private readonly hashes = new Map<bigint, Bytes>();
  private readonly known = new Set<string>();
  private at: bigint;
  private hostHead = 0n;

  constructor(
    private readonly of: Reading,
    snapshot: Snapshot,
    private readonly ledger: Ledger,
    private readonly note: (change: Change) => void,
  ) {
    this.chains = snapshot.chains;
    this.at = snapshot.cursor;
    this.arrivals = new Arrivals(snapshot.head, snapshot.early);
    for (const place of snapshot.places) {
      this.hashes.set(place.number, place.hash);
      if (place.eventId !== null) this.known.add(hex(place.eventId));
    }
  }

  /** The end of the part that is checked. */
  get head(): Head {
    return this.arrivals.head;
  }

  /** The last row taken. */
  get cursor(): bigint {
    return this.at;
  }

  /** Gives the first range of events that the host has and this phone has not; null when nothing is missing. */
  missing(): [bigint, bigint] | null {
    const furthest = this.arrivals.waiting.at(-1)?.number ?? 0n;
    return this.arrivals.missing(this.hostHead > furthest ? this.hostHead : furthest)[0] ?? null;
  }

  /** Makes room for the chain of a new epoch. */
  beginEpoch(fresh: Chain, hostEpoch: Bytes | null): void {
    this.chains = prune(this.chains, hostEpoch, fresh);
    this.note({ kind: "chains", chains: this.chains });
  }

  /** Moves the cursor to a row; rows in between never came and are holes. False for a row that was here before. */
  passTo(seq: bigint): boolean {
    if (seq <= this.at) return false;
    const skipped = seq - this.at - 1n;
    if (skipped > 0n) {
      this.note({ kind: "holes", more: Number(skipped < 2n ** 31n ? skipped : 2n ** 31n) });
      this.ledger.logLost(); // verdicts may have stood there
    }
    this.setCursor(seq);
    return true;
  }

  /** Puts the cursor where it is to go on from. */
  setCursor(seq: bigint): void {
    this.at = seq;
    this.note({ kind: "cursor", seq });
  }

  /** Takes the row under the cursor. One that does not open is a hole: counted, never tried again. One that is old is none. */
  takeRow(sealed: Bytes): Read {
    const read: Read = { epoch: null, old: false, revoked: false, begin: null };
    let opened: { body: Bytes; chains: Chains };
    let items: DownKeepItem[];
    try {
      opened = openKeep(sealed, this.chains);
      items = fromBinary(DownKeepSchema, opened.body).items;
    } catch (problem) {
      read.old = problem instanceof SealError && problem.why === "TOO_OLD";
      if (!read.old) this.note({ kind: "holes", more: 1 });
      return read;
    }
    read.epoch = sealed.slice(1, 9);
    const { head, waiting } = this.arrivals;
    for (const item of items) this.takeItem(item, read);
    this.chains = opened.chains;
    this.note({ kind: "chains", chains: this.chains });
    if (!sameHead(this.head, head)) this.note({ kind: "head", head: this.head });
    const waits = this.arrivals.waiting;
    if (waits.length !== waiting.length || waits.some((entry, i) => entry !== waiting[i])) this.note({ kind: "early", entries: waits });
    return read;
  }

  /** Hears whether the host's computer is kept awake. Only the fields that are known here, cut to size. */
  takeAwake({ mode, held, heldBy, reason }: KeepAwake): void {
    const said = create(KeepAwakeSchema, { mode, held, heldBy: heldBy.slice(0, LONGEST_GIVER), reason });
    this.note({ kind: "keep_awake", said: toBinary(KeepAwakeSchema, said) });
  }

  /** Hears what agents may do on the host. A host bounds what it says so; what is far beyond that is not kept. */
  takePermissions(permissions: Permissions): void {
    for (const one of permissions.permissions) one.endsAtMs = boundedMoment(one.endsAtMs);
    const said = toBinary(PermissionsSchema, permissions, { writeUnknownFields: false });
    if (said.length <= LONGEST_PERMISSIONS) this.note({ kind: "permissions", said });
  }

  private takeItem({ item }: DownKeepItem, read: Read): void {
    switch (item.case) {
      case "begin": {
        const number = item.value.head?.number ?? 0n;
        this.hostHead = number < LARGEST ? number : LARGEST;
        read.begin = item.value;
        if (item.value.keepAwake !== undefined) this.takeAwake(item.value.keepAwake);
        if (item.value.permissions !== undefined) this.takePermissions(item.value.permissions);
        break;
      }
      case "event": {
        const entry = entryOf(item.value);
        if (entry !== null) this.link(this.arrivals.take(entry).linked);
        break;
      }
      case "lost": {
        const { from, to, hashAtTo } = item.value;
        if (hashAtTo.length === HASH_BYTES && to <= LARGEST) this.takeLost(from, to, hashAtTo);
        break;
      }
      case "headSignature": this.checkSignature(item.value); break;
      case "revoked": read.revoked = true; break;
      case undefined: break;
    }
  }

  private link(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const event = eventOf(entry.event);
      const eventId = event.eventId as EventId;
      const shown = !this.known.has(hex(eventId));
      const hash = eventHash(entry.previous, entry.event);
      this.known.add(hex(eventId));
      this.hashes.set(entry.number, hash);
      this.note({ kind: "event", event: { number: entry.number, eventId, hash, content: entry.event, shown } });
      if (shown) this.tell(event);
    }
  }

  private takeLost(from: bigint, to: bigint, hash: Bytes): void {
    const before = this.head.number;
    const { linked } = this.arrivals.lost(from, to, hash);
    if (before < to && this.head.number >= to) {
      this.hashes.set(to, hash);
      this.note({ kind: "event", event: { number: to, eventId: null, hash, content: null, shown: true } });
    }
    this.link(linked);
  }

  /** Checks the host's hand under the chain and keeps it: the seal shows who wrote, this proves it to others as well. */
  private checkSignature({ head, signature }: HeadSignature): void {
    const place: Head = { number: head?.number ?? 0n, hash: head?.hash ?? new Uint8Array() };
    let fits = place.hash.length === HASH_BYTES && place.number >= 1n && place.number <= LARGEST;
    fits &&= verifyHead(this.of.hostKey, signature, this.of.pairId, place);
    if (fits && place.number <= this.head.number) {
      // What came before is checked already, and must be what the host signs now.
      const known = this.hashes.get(place.number);
      if (known === undefined) return; // the host no longer had the event, so there is nothing to sign
      fits = equal(known, place.hash);
    }
    this.note(fits ? { kind: "signature", head: place, signature } : { kind: "holes", more: 1 });
  }

  /** Tells the ledger what an event says of its task. */
  private tell(event: Event): void {
    if (event.taskId.length !== ID_BYTES) return;
    const taskId = event.taskId as TaskId;
    const { event: what, atMs } = event;
    if (what.case === "accepted") {
      this.ledger.learn(taskId, wordsOf(what.value.text, what.value.action), Number(atMs));
      this.checkOwnHand(taskId, event);
    } else if (what.case === "scheduled") {
      this.ledger.learn(taskId, what.value.text, Number(atMs));
    }
    const fact = factOf(event);
    if (fact !== null && this.ledger.knows(taskId)) this.ledger.note(taskId, fact);
  }

  /** Checks that the words which the host says are ours are as we signed them. */
  private checkOwnHand(taskId: TaskId, { event }: Event): void {
    if (event.case !== "accepted") return;
    const { action, phoneHead, signature, attempt } = event.value;
    if (action.length === 0 || phoneHead?.hash.length !== HASH_BYTES) return;
    const words = { taskId, attempt, body: action, head: phoneHead };
    if (!this.of.signedFor.some((pairId) => verifyTask(this.of.ownKey, signature, { pairId, ...words }))) {
      this.note({ kind: "holes", more: 1 });
    }
  }
}

/** Reads where an event stands; null for what can't be one. */
export function entryOf(content: Bytes): Entry | null {
  let event: Event;
  try {
    event = fromBinary(EventSchema, content);
  } catch {
    return null;
  }
  const { number, previousHash, eventId } = event;
  if (number < 1n || number > LARGEST || previousHash.length !== HASH_BYTES || eventId.length !== ID_BYTES) return null;
  return { number, previous: previousHash, event: content };
}

/** Gives the person's words; long ones stand in the signed action only. */
function wordsOf(text: string, action: Bytes): string {
  if (text !== "") return text;
  try {
    const signed = fromBinary(ActionSchema, action).action;
    return signed.case === "task" ? signed.value.text : text;
  } catch {
    return text;
  }
}
