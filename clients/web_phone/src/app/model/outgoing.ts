/**
 * What a person writes to one computer, and tasks whose files are on their way there.
 *
 * A task is kept first, with its words and the names of its files; then the files go, then the task. So there is a card from the moment
 * when the box is empty, whatever becomes of the files, and of the screen. What is here outlives the screen, and not the page: a task
 * that a page has left behind in the middle of its files is *not sent*. docs/web-phone.md "Screens".
 */

import { type Signal, signal } from "@preact/signals";

import type { Told } from "../../ground/moving.js";
import { hex } from "../../protocol/bytes.js";
import { Reason } from "../../protocol/dispatch/api/error/v1/error_pb.js";
import type { Attachment } from "../../protocol/dispatch/api/thread/v1/thread_pb.js";
import { Refused } from "../../protocol/errors.js";
import type { TaskId } from "../../protocol/ids.js";
import { type Command, MOST_ATTACHMENTS, task } from "../../protocol/thread/commands.js";

/** What stands in the box. */
export interface Draft {
  readonly words: string;
  readonly files: readonly File[];
}

/** A file on its way. */
export interface Bringing {
  readonly task: string;
  readonly name: string;
  readonly percent: number;
}

/** What of a link this needs. All but `send` reject with Refused. */
export interface Ways {
  newTask(): TaskId;
  /** Says how a task names a file. */
  described(file: File): Promise<Attachment>;
  /** Keeps a task, whose files are then on their way. */
  keep(command: Command): Promise<void>;
  give(attachment: Attachment, file: File, told: Told, stop: AbortSignal): Promise<void>;
  /** Hears that the files of a task did not arrive. */
  giveUp(taskId: TaskId, why: Reason): Promise<void>;
  /** Keeps a task that has no files, and sends it, in one. */
  start(command: Command): Promise<void>;
  send(command: Command): Promise<Refused | null>;
}

const NOTHING: Draft = { words: "", files: [] };

interface Parcel {
  readonly file: File;
  readonly attachment: Attachment;
  arrived: boolean;
}

/** One computer's. */
export class Outgoing {
  readonly draft: Signal<Draft> = signal(NOTHING);
  /** Why what stands in the box was not sent. */
  readonly trouble: Signal<Refused | null> = signal(null);
  /** Whether what stands in the box is just being kept: files are read for that. */
  readonly sending: Signal<boolean> = signal(false);
  readonly bringing: Signal<readonly Bringing[]> = signal([]);
  private readonly parcels = new Map<string, readonly Parcel[]>(); // of tasks that have files and did not go out yet, by task
  private readonly stops = new Map<string, AbortController>();

  constructor(private readonly ways: Ways) {}

  /** Writes on, or takes other files. */
  write(change: Partial<Draft>): void {
    this.draft.value = { ...this.draft.value, ...change };
  }

  /** Sends what stands in the box, which is empty once the task is kept; what is written meanwhile stays. Gives whether it is kept. */
  async sendDraft(): Promise<boolean> {
    if (this.sending.peek()) return false;
    const { words, files } = this.draft.peek();
    this.sending.value = true;
    this.trouble.value = await this.send(words, files);
    this.sending.value = false;
    if (this.trouble.peek() !== null) return false;
    this.taken(words, files);
    return true;
  }

  /** Takes out of the box what went. */
  taken(words: string, files: readonly File[] = []): void {
    const now = this.draft.peek();
    const rest = now.words.startsWith(words) ? now.words.slice(words.length).trimStart() : now.words;
    this.draft.value = { words: rest, files: now.files.filter((file) => !files.includes(file)) };
  }

  /** Keeps a task and sends it behind its files. Gives why there is none; what becomes of one that there is its card says. */
  async send(words: string, files: readonly File[]): Promise<Refused | null> {
    const taskId = this.ways.newTask();
    let command: Command;
    try {
      // Before the files are read, which takes its time.
      if (files.length > MOST_ATTACHMENTS) throw new Refused(Reason.BAD_REQUEST, "", 0, { field: "attach" });
      const parcels: Parcel[] = [];
      for (const file of files) parcels.push({ file, attachment: await this.ways.described(file), arrived: false });
      command = task(taskId, words, parcels.map(({ attachment }) => attachment));
      if (parcels.length === 0) {
        await this.ways.start(command);
        return null;
      }
      await this.ways.keep(command);
      this.parcels.set(hex(taskId), parcels);
    } catch (problem) {
      return problem instanceof Refused ? problem : new Refused(Reason.INTERNAL, problem instanceof Error ? problem.name : "");
    }
    void this.go(command);
    return null;
  }

  /** Brings the files of a task that have not arrived, as far as this page still has them, then sends it. Gives why it did not get through. */
  async go(command: Command): Promise<Refused | null> {
    const id = hex(command.taskId);
    if (this.stops.has(id)) return null; // they are on their way already
    const stop = new AbortController();
    this.stops.set(id, stop);
    try {
      for (const parcel of this.parcels.get(id) ?? []) if (!parcel.arrived) await this.bring(id, parcel, stop.signal);
    } catch (problem) {
      const why = stop.signal.aborted ? new Refused(Reason.CANCELLED_BY_PERSON) : problem instanceof Refused ? problem : new Refused(Reason.TRANSFER_FAILED);
      await this.ways.giveUp(command.taskId, why.reason).catch(() => undefined); // a line that is gone leaves it as not sent by itself
      return why;
    } finally {
      this.stops.delete(id);
      this.bringing.value = this.bringing.peek().filter((one) => one.task !== id);
    }
    this.parcels.delete(id);
    return this.ways.send(command);
  }

  /** Stops the files of a task, which is then not sent. Gives whether any were on their way. */
  stop(taskId: TaskId): boolean {
    this.stops.get(hex(taskId))?.abort();
    return this.stops.has(hex(taskId));
  }

  /** Forgets the files of a task that is deleted. */
  drop(taskId: TaskId): void {
    this.stop(taskId);
    this.parcels.delete(hex(taskId));
  }

  /** Stops everything: the link is closed. */
  close(): void {
    for (const stop of this.stops.values()) stop.abort();
  }

  private async bring(id: string, parcel: Parcel, stop: AbortSignal): Promise<void> {
    const told: Told = (done, total) => {
      const percent = total === 0 ? 100 : Math.floor((100 * done) / total);
      this.bringing.value = [...this.bringing.peek().filter((one) => one.task !== id), { task: id, name: parcel.file.name, percent }];
    };
    told(0, 1);
    await this.ways.give(parcel.attachment, parcel.file, told, stop);
    stop.throwIfAborted();
    parcel.arrived = true;
  }
}
