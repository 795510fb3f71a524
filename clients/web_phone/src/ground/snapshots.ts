/** What changes make of a pairing that is kept: pure, so that it can be tried without a database. Called by `kept_pairings`. */

import { type Bytes, EMPTY, hex } from "../protocol/bytes.js";
import { NO_HEAD } from "../protocol/sealed/head.js";
import type { Change, Post, Snapshot, StoredEvent, Task } from "../protocol/thread/store.js";
import { OUTCOMES } from "../protocol/thread/task_view.js";

/** A snapshot without what has rows of its own. */
export interface Core extends Omit<Snapshot, "revision" | "places" | "tasks"> {
  readonly holes: number;
  /** The host's last word, a serialized KeepAwake; empty for none. */
  readonly keepAwake: Bytes;
  readonly permissions: Bytes;
}

export const EMPTY_CORE: Core = {
  state: "provisional", reason: "", chains: [], cursor: 0n, head: NO_HEAD, early: [], posts: [], holes: 0, keepAwake: EMPTY, permissions: EMPTY,
};
/** Beyond so many, posts go of which nobody will ask any more: of tasks that are over, and verdicts are in. */
const MANY_POSTS = 500;

/** What a commit comes to. */
export interface Changed {
  core: Core;
  /** Tasks that are to be written, by their id. */
  tasks: ReadonlyMap<string, Task>;
  events: readonly StoredEvent[];
}

/** Makes all changes. */
export function changed(core: Core, tasks: ReadonlyMap<string, Task>, changes: readonly Change[]): Changed {
  const written = new Map<string, Task>();
  const events: StoredEvent[] = [];
  const edit = (taskId: Bytes, how: (task: Task) => Task): void => {
    const task = written.get(hex(taskId)) ?? tasks.get(hex(taskId));
    if (task !== undefined) written.set(hex(taskId), how(task));
  };
  let now = core;
  for (const change of changes) {
    switch (change.kind) {
      case "pairing": now = { ...now, state: change.state, reason: change.reason }; break;
      case "chains": now = { ...now, chains: change.chains }; break;
      case "cursor": now = { ...now, cursor: change.seq }; break;
      case "head": now = { ...now, head: change.head }; break;
      case "early": now = { ...now, early: change.entries }; break;
      case "post": now = { ...now, posts: withPost(now.posts, change.post) }; break;
      case "holes": now = { ...now, holes: now.holes + change.more }; break;
      case "keep_awake": now = { ...now, keepAwake: change.said }; break;
      case "permissions": now = { ...now, permissions: change.said }; break;
      case "event": events.push(change.event); break;
      case "task": written.set(hex(change.task.taskId), change.task); break;
      case "fact": edit(change.taskId, (task) => ({ ...task, view: change.view })); break;
      case "text": edit(change.taskId, (task) => ({ ...task, text: change.text, action: EMPTY })); break;
      case "signature": break; // checked when it came; a thread file needs it, and this phone writes none
    }
  }
  return { core: { ...now, posts: tidied(now.posts, (id) => written.get(id) ?? tasks.get(id)) }, tasks: written, events };
}

function withPost(posts: readonly Post[], post: Post): readonly Post[] {
  const at = posts.findIndex((known) => hex(known.messageId) === hex(post.messageId));
  return at < 0 ? [...posts, post] : posts.map((known, place) => (place === at ? post : known));
}

function tidied(posts: readonly Post[], taskOf: (id: string) => Task | undefined): readonly Post[] {
  if (posts.length <= MANY_POSTS) return posts;
  const over = (post: Post): boolean => {
    const state = taskOf(hex(post.taskId))?.view.state;
    return post.verdict !== "open" && post.verdict !== "unknown" && state !== undefined && OUTCOMES.has(state);
  };
  return posts.filter((post, at) => at >= posts.length - MANY_POSTS || !over(post));
}
