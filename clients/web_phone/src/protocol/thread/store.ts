/**
 * What a phone must not forget, as a seam: changes go in whole, before anybody hears of them.
 *
 * A page, its other tabs and its service worker may share one store. So a commit names the revision that it was reckoned from, and one
 * that has moved meanwhile takes nothing: the chain that opened a row must still be the one that is stored. `memory_store` is for
 * tests; a browser's is IndexedDB. docs/web-protocol.md "The store".
 */

import type { Bytes } from "../bytes.js";
import type { EventId, MessageId, PairId, TaskId } from "../ids.js";
import type { Chains } from "../sealed/keep.js";
import type { Head } from "../sealed/head.js";
import type { Entry } from "../sealed/history.js";
import type { Fact } from "./facts.js";
import type { TaskView } from "./task_view.js";

/** How a pairing stands: keys are there and the host may not have it yet; both have it; it is over. */
export type PairingState = "provisional" | "active" | "ended";

/** An event in its checked place; without content when the host no longer had it. */
export interface StoredEvent {
  readonly number: bigint;
  readonly eventId: EventId | null;
  readonly hash: Bytes;
  readonly content: Bytes | null;
  /** Whether it is the first of its id: a host that was set back tells some again. */
  readonly shown: boolean;
}

/** What became of a post: none yet, a row, refused, never there, or the relay's log has lost the place where it may stand. */
export type Verdict = "open" | "taken" | "refused" | "never_stored" | "unknown";

/** Which of a task's commands. */
export type What = "task" | "cancel" | "answer" | "steer";

/** One attempt to bring a command to the host. */
export interface Post {
  readonly messageId: MessageId;
  readonly taskId: TaskId;
  readonly what: What;
  readonly attempt: number;
  readonly verdict: Verdict;
  /** The word of a reason. */
  readonly reason: string;
  readonly retryAfterMs: number;
}

/** What a person asked for. */
export interface Task {
  readonly taskId: TaskId;
  readonly text: string;
  readonly madeAtMs: number;
  /** The serialized Action that each attempt sends, byte for byte; empty for a task that this phone did not make. */
  readonly action: Bytes;
  readonly view: TaskView;
}

/** What changes together. */
export type Change =
  | { kind: "pairing"; state: PairingState; reason: string }
  | { kind: "chains"; chains: Chains }
  | { kind: "cursor"; seq: bigint }
  | { kind: "head"; head: Head }
  | { kind: "early"; entries: readonly Entry[] }
  | { kind: "event"; event: StoredEvent }
  /** The host's signature on a checked place, or on one that is still to come. */
  | { kind: "signature"; head: Head; signature: Bytes }
  /** Rows that did not open, and words that did not prove what they said. */
  | { kind: "holes"; more: number }
  /** Serialized KeepAwake or Permissions, as the host said last. */
  | { kind: "keep_awake" | "permissions"; said: Bytes }
  | { kind: "task"; task: Task }
  | { kind: "fact"; taskId: TaskId; fact: Fact; view: TaskView }
  | { kind: "text"; taskId: TaskId; text: string }
  | { kind: "post"; post: Post };

/** What a line goes on from. */
export interface Snapshot {
  readonly revision: number;
  readonly state: PairingState;
  readonly reason: string;
  readonly chains: Chains;
  readonly cursor: bigint;
  readonly head: Head;
  readonly early: readonly Entry[];
  /** Number, id and hash of every checked event, without its content. */
  readonly places: readonly Pick<StoredEvent, "number" | "eventId" | "hash">[];
  readonly tasks: readonly Task[];
  readonly posts: readonly Post[];
}

/** Somebody else has changed the store since the snapshot: load it again. */
export class StoreMoved extends Error {}

/** Keeps pairings. Every promise rejects when the store does not hold what it was given. */
export interface Store {
  /** Gives what is stored of a pairing; null for one that is not there. */
  load(pairId: PairId): Promise<Snapshot | null>;
  /** Commits all changes or none, durably; the revision is then one more. Rejects with StoreMoved. */
  commit(pairId: PairId, revision: number, changes: readonly Change[]): Promise<void>;
  /** Lists the checked events behind a number, in order. */
  events(pairId: PairId, after: bigint): Promise<readonly StoredEvent[]>;
}
