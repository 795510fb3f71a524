/** A store in memory, for tests, and for who does not want to be remembered. */

import { hex } from "../bytes.js";
import type { PairId } from "../ids.js";
import { NO_HEAD } from "../sealed/head.js";
import type { Fact } from "./facts.js";
import { type Change, type Post, type Snapshot, type Store, StoreMoved, type StoredEvent, type Task } from "./store.js";

interface Kept {
  snapshot: Snapshot;
  events: StoredEvent[];
  facts: Map<string, Fact[]>;
}

const EMPTY_SNAPSHOT: Snapshot = {
  revision: 0, state: "provisional", reason: "", chains: [], cursor: 0n, head: NO_HEAD, early: [], places: [], tasks: [], posts: [],
};

/** Keeps everything in memory. `commits` counts, for tests. */
export class MemoryStore implements Store {
  private readonly pairings = new Map<string, Kept>();
  commits = 0;

  /** Takes up a pairing; one that is there stays as it is. */
  add(pairId: PairId): void {
    const key = hex(pairId);
    if (!this.pairings.has(key)) this.pairings.set(key, { snapshot: EMPTY_SNAPSHOT, events: [], facts: new Map() });
  }

  async load(pairId: PairId): Promise<Snapshot | null> {
    return Promise.resolve(this.pairings.get(hex(pairId))?.snapshot ?? null);
  }

  async commit(pairId: PairId, revision: number, changes: readonly Change[]): Promise<void> {
    const kept = this.pairings.get(hex(pairId));
    if (kept?.snapshot.revision !== revision) throw new StoreMoved("the store has moved");
    for (const change of changes) kept.snapshot = changed(kept, change);
    kept.snapshot = { ...kept.snapshot, revision: revision + 1 };
    this.commits++;
    return Promise.resolve();
  }

  async events(pairId: PairId, after: bigint): Promise<readonly StoredEvent[]> {
    return Promise.resolve((this.pairings.get(hex(pairId))?.events ?? []).filter((event) => event.number > after));
  }
}

function changed(kept: Kept, change: Change): Snapshot {
  const { snapshot } = kept;
  switch (change.kind) {
    case "pairing": return { ...snapshot, state: change.state, reason: change.reason };
    case "chains": return { ...snapshot, chains: change.chains };
    case "cursor": return { ...snapshot, cursor: change.seq };
    case "head": return { ...snapshot, head: change.head };
    case "early": return { ...snapshot, early: change.entries };
    case "event":
      kept.events.push(change.event);
      return { ...snapshot, places: [...snapshot.places, change.event] };
    case "task": return { ...snapshot, tasks: put(snapshot.tasks, change.task, (task) => hex(task.taskId)) };
    case "fact":
      kept.facts.set(hex(change.taskId), [...(kept.facts.get(hex(change.taskId)) ?? []), change.fact]);
      return edit(snapshot, change.taskId, (task) => ({ ...task, view: change.view }));
    case "text": return edit(snapshot, change.taskId, (task) => ({ ...task, text: change.text, action: new Uint8Array() }));
    case "post": return { ...snapshot, posts: put<Post>(snapshot.posts, change.post, (post) => hex(post.messageId)) };
    case "signature":
    case "holes":
    case "keep_awake":
    case "permissions": return snapshot;
  }
}

function put<T>(all: readonly T[], one: T, key: (of: T) => string): readonly T[] {
  const at = all.findIndex((known) => key(known) === key(one));
  return at < 0 ? [...all, one] : all.map((known, place) => (place === at ? one : known));
}

function edit(snapshot: Snapshot, taskId: Uint8Array, how: (task: Task) => Task): Snapshot {
  return { ...snapshot, tasks: snapshot.tasks.map((task) => (hex(task.taskId) === hex(taskId) ? how(task) : task)) };
}
