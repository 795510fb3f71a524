/**
 * The thread as a chain that both sides can check, and the words that each signs into it.
 *
 * The host orders events: each has a number without gaps and names the hash of the one before. The phone's head is the end of the
 * part it has checked; later events wait here until what is missing has come. Events are opaque bytes.
 * docs/encryption.md "Events", "Signed words".
 */

import { sha256 } from "@noble/hashes/sha2.js";

import { type Bytes, concat, equal, u32, u64, utf8 } from "../bytes.js";
import { enc } from "../encoding.js";
import { verify } from "../signatures.js";
import { type Head, headBytes } from "./head.js";

export const MOST_WAITING = 1_024;
export const MOST_WAITING_BYTES = 8 * 1024 * 1024;
const EVENT = utf8("dispatch/event/1");

/** Computes the hash of an event, over its exact bytes and the hash of the one before. Its event_id stands inside and salts it. */
export function eventHash(previous: Bytes, event: Bytes): Bytes {
  return sha256(concat(EVENT, previous, event));
}

/** An event as it came: its number, the hash it names as that of the one before, and its exact bytes. */
export interface Entry {
  readonly number: bigint;
  readonly previous: Bytes;
  readonly event: Bytes;
}

/** What an arrival did: the entries that are now part of the checked thread, in order, and numbers thrown away. */
export interface Taken {
  linked: Entry[];
  thrownAway: bigint[];
}

/** The phone's waiting room: entries come in any order, more than once, and leave in the host's order. Lives in memory. */
export class Arrivals {
  private readonly byNumber = new Map<bigint, Entry>();
  private bytes = 0;

  /** Begins behind a head, with what the phone's store held on to. */
  constructor(
    private at: Head,
    waiting: Iterable<Entry> = [],
  ) {
    for (const entry of waiting) this.put(entry);
  }

  /** The end of the checked part. */
  get head(): Head {
    return this.at;
  }

  /** The entries that wait, by number. */
  get waiting(): Entry[] {
    return [...this.byNumber.values()].sort((a, b) => (a.number < b.number ? -1 : 1));
  }

  /** Takes an entry. The newest copy of a number wins; one already in the checked part changes nothing. */
  take(entry: Entry): Taken {
    if (entry.number <= this.at.number) return { linked: [], thrownAway: [] };
    this.put(entry);
    const taken = this.link();
    return { linked: taken.linked, thrownAway: [...taken.thrownAway, ...this.shrink()] };
  }

  /** Takes the host's word that these events are gone: the thread goes on behind them, the gap is shown as such. */
  lost(first: bigint, last: bigint, hashAtLast: Bytes): Taken {
    const next = this.at.number + 1n;
    if (first > next || next > last) return { linked: [], thrownAway: [] };
    this.at = { number: last, hash: hashAtLast };
    for (const number of [...this.byNumber.keys()]) if (number <= last) this.pop(number);
    return this.link();
  }

  /** Lists the ranges (first, last) that are not here up to this number, for Resend. */
  missing(last: bigint): [bigint, bigint][] {
    const gaps: [bigint, bigint][] = [];
    let expected = this.at.number + 1n;
    for (const number of [...this.waiting.map((entry) => entry.number).filter((one) => one <= last), last + 1n]) {
      if (number > expected) gaps.push([expected, number - 1n]);
      expected = number + 1n;
    }
    return gaps;
  }

  private link(): Taken {
    const linked: Entry[] = [];
    for (;;) {
      const entry = this.byNumber.get(this.at.number + 1n);
      if (entry === undefined) return { linked, thrownAway: [] };
      this.pop(entry.number);
      if (!equal(entry.previous, this.at.hash)) return { linked, thrownAway: [entry.number] };
      this.at = { number: entry.number, hash: eventHash(this.at.hash, entry.event) };
      linked.push(entry);
    }
  }

  /** Throws away the furthest while too much waits: it is asked for again when its turn comes. */
  private shrink(): bigint[] {
    const away: bigint[] = [];
    while (this.byNumber.size > MOST_WAITING || this.bytes > MOST_WAITING_BYTES) {
      const furthest = [...this.byNumber.keys()].reduce((a, b) => (a > b ? a : b));
      this.pop(furthest);
      away.push(furthest);
    }
    return away;
  }

  private put(entry: Entry): void {
    this.pop(entry.number);
    this.byNumber.set(entry.number, entry);
    this.bytes += entry.event.length;
  }

  private pop(number: bigint): void {
    this.bytes -= this.byNumber.get(number)?.event.length ?? 0;
    this.byNumber.delete(number);
  }
}

/** What a phone says when it sends a command; `body` is the serialized Action. */
export interface TaskWords {
  pairId: Bytes;
  taskId: Bytes;
  attempt: number;
  body: Bytes;
  head: Head;
}

/** Writes what the phone signs for a command: task, attempt, words, and what it knew when it sent them. */
export function taskWords({ pairId, taskId, attempt, body, head }: TaskWords): Bytes {
  return enc("dispatch/task/1", pairId, taskId, u32(attempt), sha256(body), headBytes(head));
}

/** Writes what the host signs for a batch of events: the place where it ends. */
export function headWords(pairId: Bytes, head: Head): Bytes {
  return enc("dispatch/head/1", pairId, u64(head.number), head.hash);
}

/** Tells whether the phone of this key signed this command. */
export function verifyTask(phoneKey: Bytes, signature: Bytes, words: TaskWords): boolean {
  return verify(phoneKey, signature, taskWords(words));
}

/** Tells whether the host of this key signed this head. */
export function verifyHead(hostKey: Bytes, signature: Bytes, pairId: Bytes, head: Head): boolean {
  return verify(hostKey, signature, headWords(pairId, head));
}
