/** Notes what is learnt about tasks and posts. Knows no wire and no seal; what it notes is committed by whoever it hands it to. */

import { EMPTY, hex } from "../bytes.js";
import { Reason } from "../dispatch/api/error/v1/error_pb.js";
import { word } from "../errors.js";
import type { MessageId, TaskId } from "../ids.js";
import type { Fact, FactKind } from "./facts.js";
import type { Change, Post, Snapshot, Task, Verdict, What } from "./store.js";
import { after, awaitsHost, isTheHosts, NEW, ON_THE_WAY, shownState, STEPS, type TaskView } from "./task_view.js";

/** The short lease of a relay that has not said its own, ms. */
export const LEASE_MS = 5_000;

/** Tells the two clocks, ms: one that never goes back, and one for people. */
export interface Times {
  nowMs: number;
  wallMs: number;
}

/** The tasks and posts of one pairing. `times` is set by the line before anything else is told. */
export class Ledger {
  private readonly tasks: Map<string, Task>;
  private readonly posts: Map<string, Post>;
  private readonly dueMs = new Map<string, number>(); // when the word is overdue that a task waits for
  private readonly handedOverHere = new Set<string>(); // on this stream
  times: Times = { nowMs: 0, wallMs: 0 };
  /** How long the host's own word may take once an attempt has its go, ms: two leases of the relay. */
  wordWithinMs = 2 * LEASE_MS;

  constructor(
    snapshot: Snapshot,
    private readonly out: (change: Change) => void,
  ) {
    this.tasks = new Map(snapshot.tasks.map((task) => [hex(task.taskId), task]));
    this.posts = new Map(snapshot.posts.map((post) => [hex(post.messageId), post]));
  }

  /** Tells whether a task is known here. */
  knows(taskId: TaskId): boolean {
    return this.tasks.has(hex(taskId));
  }

  /** Gives a task. */
  task(taskId: TaskId): Task | null {
    return this.tasks.get(hex(taskId)) ?? null;
  }

  /** Lists the tasks, oldest first. */
  all(): Task[] {
    return [...this.tasks.values()];
  }

  /** Gives a task as it can be shown now. */
  view(taskId: TaskId): TaskView {
    return this.task(taskId)?.view ?? NEW;
  }

  /** Gives a post. */
  post(messageId: MessageId): Post | null {
    return this.posts.get(hex(messageId)) ?? null;
  }

  /** Counts the attempts of one of a task's commands. */
  attempts(taskId: TaskId, what: What): number {
    return [...this.posts.values()].filter((post) => post.what === what && hex(post.taskId) === hex(taskId)).length;
  }

  /** Notes a fact of a task. */
  note(taskId: TaskId, fact: Fact): void {
    const view = after(this.view(taskId), fact);
    const task = this.task(taskId);
    if (task !== null) this.tasks.set(hex(taskId), { ...task, view });
    this.out({ kind: "fact", taskId, fact, view });
  }

  /** Takes up a task that a person asks for. */
  add(task: Task): void {
    this.tasks.set(hex(task.taskId), task);
    this.out({ kind: "task", task });
  }

  /** Takes up a task that is not known here: it came before this phone's memory begins, or from the host itself. */
  learn(taskId: TaskId, text: string, atMs: number): void {
    const known = this.task(taskId);
    if (known === null) this.add({ taskId, text, madeAtMs: atMs, action: EMPTY, view: NEW });
    else if (known.text === "") this.setText(known, text); // dropped here, and the host had it all the same
  }

  /** Keeps an attempt that is about to be sent and should have its verdict by that time. */
  posted(post: Post, untilMs: number): void {
    this.put(post);
    this.ofTask(post, "sent");
    if (post.what === "task") this.dueMs.set(hex(post.taskId), untilMs);
  }

  /** Hears that an attempt was given to the host's stream. */
  handedOver(messageId: MessageId): void {
    const post = this.undecided(messageId);
    const key = hex(messageId);
    if (post === null || this.handedOverHere.has(key) || STEPS.handed_over?.from.has(this.view(post.taskId).state) !== true) return;
    this.handedOverHere.add(key);
    this.ofTask(post, "handed_over");
    const task = hex(post.taskId);
    if (!this.dueMs.has(task)) this.dueMs.set(task, this.times.nowMs + this.wordWithinMs);
  }

  /** Hears the verdict: accepted. The host's own word is the next that is waited for. */
  taken(messageId: MessageId): void {
    const post = this.undecided(messageId);
    if (post === null) return;
    this.put({ ...post, verdict: "taken" });
    this.ofTask(post, "taken");
    this.awaitHost(post.taskId);
  }

  /** Hears the verdict: refused. Tells whether it was a verdict on a post of ours that had none. */
  refused(messageId: MessageId, reason: Reason, retryAfterMs: number): boolean {
    const post = this.undecided(messageId);
    if (post === null) return false;
    this.put({ ...post, verdict: "refused", reason: word(reason), retryAfterMs });
    this.ofTask(post, "refused", word(reason), retryAfterMs);
    return true;
  }

  /** Hears that the relay never had an attempt. A task that nobody attends to will not be sent again by itself. */
  neverStored(post: Post, attended: (taskId: TaskId) => boolean): void {
    this.put({ ...post, verdict: "never_stored" });
    if (!ON_THE_WAY.has(this.view(post.taskId).state)) return;
    this.ofTask(post, "never_stored");
    if (post.what === "task" && !attended(post.taskId)) this.notSent(post.taskId, Reason.NO_NETWORK);
  }

  /** Hears that the relay's log has lost rows. The verdicts that are out may have stood there: nothing is denied. */
  logLost(): void {
    for (const post of this.unsettled()) {
      this.put({ ...post, verdict: "unknown" });
      this.unconfirmedIfUnsaid(post);
    }
  }

  /** Gives up on a task: it will not be sent again by itself. What was posted of it before may run all the same. */
  notSent(taskId: TaskId, reason: Reason): void {
    this.note(taskId, { kind: "not_sent", atMs: this.times.wallMs, attempt: this.view(taskId).attempt, reason: word(reason) });
  }

  /** Hears that the person does not want a task sent any more: its words go. */
  dropped(taskId: TaskId): void {
    this.note(taskId, { kind: "dropped", atMs: this.times.wallMs });
    const task = this.task(taskId);
    if (task !== null) this.setText(task, "");
  }

  /** Hears that the person waits no longer for a task. */
  dismissed(taskId: TaskId): void {
    this.note(taskId, { kind: "dismissed", atMs: this.times.wallMs });
  }

  /** Takes up what an earlier page left: it sends nothing more, and waits for no word any more. */
  pageBegan(): void {
    for (const { taskId, view } of this.all().filter((task) => ON_THE_WAY.has(task.view.state))) {
      if (view.mayRun.length === 0) this.notSent(taskId, Reason.NO_NETWORK);
      else if (unsaid(view)) this.unconfirmed(taskId);
    }
  }

  /** Hears that the stream broke: what has no verdict is unconfirmed. */
  streamLost(): void {
    this.handedOverHere.clear();
    for (const post of this.unsettled()) this.unconfirmedIfUnsaid(post);
  }

  /** Gives the time from which a word is overdue; null when none is waited for. */
  nextDueMs(): number | null {
    const waiting = [...this.dueMs].filter(([key]) => unsaid(this.tasks.get(key)?.view ?? NEW)).map(([, due]) => due);
    return waiting.length > 0 ? Math.min(...waiting) : null;
  }

  /** Hears that so much time has passed: what waits in vain for a word is unconfirmed. A later word moves it on. */
  overdue(): void {
    for (const [key, due] of this.dueMs) {
      const task = this.tasks.get(key);
      if (task !== undefined && due <= this.times.nowMs && unsaid(task.view)) this.unconfirmed(task.taskId);
    }
  }

  /** Hears that the host is out of contact: every task that it has is, too, and every one that has its go. */
  hostAway(reason: Reason): void {
    for (const { taskId, view } of this.all()) {
      if (isTheHosts(view) && view.away !== word(reason)) {
        this.note(taskId, { kind: "out_of_contact", atMs: this.times.wallMs, reason: word(reason) });
      }
    }
  }

  /** Hears that the host is there again. */
  hostBack(): void {
    for (const { taskId, view } of this.all()) {
      if (!isTheHosts(view) || view.away === "") continue;
      this.note(taskId, { kind: "back", atMs: this.times.wallMs });
      this.awaitHost(taskId);
    }
  }

  /** Lists the posts that the relay has still to decide. */
  unsettled(): Post[] {
    return [...this.posts.values()].filter((post) => post.verdict === "open");
  }

  private awaitHost(taskId: TaskId): void {
    if (awaitsHost(this.view(taskId))) this.dueMs.set(hex(taskId), this.times.nowMs + this.wordWithinMs);
  }

  private unconfirmedIfUnsaid(post: Post): void {
    const view = this.view(post.taskId);
    const isOfTask = post.what === "task" && view.attempt === post.attempt;
    if (isOfTask && (view.state === "sent" || view.state === "handed_over")) this.unconfirmed(post.taskId);
  }

  private unconfirmed(taskId: TaskId): void {
    this.note(taskId, { kind: "unconfirmed", atMs: this.times.wallMs, attempt: this.view(taskId).attempt });
  }

  /** Gives the post if it is ours and a verdict may still come: the first verdict counts. */
  private undecided(messageId: MessageId): Post | null {
    const post = this.post(messageId);
    const open: readonly Verdict[] = ["open", "unknown"];
    return post !== null && open.includes(post.verdict) ? post : null;
  }

  /** Notes what became of an attempt of the task itself; what becomes of other actions is in the posts. */
  private ofTask(post: Post, kind: FactKind, reason = "", retryAfterMs = 0): void {
    if (post.what !== "task") return;
    this.note(post.taskId, { kind, atMs: this.times.wallMs, attempt: post.attempt, reason, retryAfterMs });
  }

  private put(post: Post): void {
    this.posts.set(hex(post.messageId), post);
    this.out({ kind: "post", post });
  }

  private setText(task: Task, text: string): void {
    this.tasks.set(hex(task.taskId), { ...task, text, action: EMPTY });
    this.out({ kind: "text", taskId: task.taskId, text });
  }
}

/** Whether a word is waited for and nothing amiss is shown yet. */
function unsaid(view: TaskView): boolean {
  const shown = shownState(view);
  return shown === "sent" || shown === "handed_over";
}
