/** What a person writes and sends: it is kept before the box is empty, its files may fail or be stopped, and nothing written is lost. */

import { create } from "@bufbuild/protobuf";
import { beforeEach, expect, it } from "vitest";

import { Outgoing, type Ways } from "../../src/app/model/outgoing.js";
import { hex } from "../../src/protocol/bytes.js";
import { Reason } from "../../src/protocol/dispatch/api/error/v1/error_pb.js";
import { type Attachment, AttachmentSchema } from "../../src/protocol/dispatch/api/thread/v1/thread_pb.js";
import { Refused } from "../../src/protocol/errors.js";
import type { TaskId } from "../../src/protocol/ids.js";
import { type Command, MOST_ATTACHMENTS } from "../../src/protocol/thread/commands.js";
import { until } from "../support/stream.js";

/** A link, as far as sending needs one: notes what it was told, in order. */
class Line implements Ways {
  readonly told: string[] = [];
  readonly giving: { name: string; arrives(): void; fails(why: Refused): void }[] = [];
  keeps: Promise<void> = Promise.resolve();
  command: Command | null = null;
  private number = 0;

  newTask = (): TaskId => new Uint8Array(16).fill(++this.number) as TaskId;

  described = async ({ name }: File): Promise<Attachment> => Promise.resolve(create(AttachmentSchema, { name }));

  keep = async (command: Command): Promise<void> => {
    await this.keeps;
    this.command = command;
    this.told.push(`keeps ${command.text}`);
  };

  give: Ways["give"] = async ({ name }, _, told, stop) => {
    this.told.push(`gives ${name}`);
    told(1, 2);
    return new Promise((resolve, reject) => {
      this.giving.push({ name, arrives: resolve, fails: reject });
      stop.addEventListener("abort", () => { reject(new Refused(Reason.NO_NETWORK)); });
    });
  };

  giveUp = async (_: TaskId, why: Reason): Promise<void> => {
    this.told.push(`gives up: ${Reason[why]}`);
    return Promise.resolve();
  };

  start = async ({ text }: Command): Promise<void> => {
    this.told.push(`starts ${text}`);
    return Promise.resolve();
  };

  send = async ({ text }: Command): Promise<Refused | null> => {
    this.told.push(`sends ${text}`);
    return Promise.resolve(null);
  };
}

let line: Line;
let outgoing: Outgoing;
beforeEach(() => {
  line = new Line();
  outgoing = new Outgoing(line);
});

const photo = new File(["x"], "photo.jpg");
const TASK = new Uint8Array(16).fill(1) as TaskId;

async function writes(words: string, ...files: File[]): Promise<boolean> {
  outgoing.write({ words, files });
  return outgoing.sendDraft();
}

it("a task is kept before its files go, and the box is empty then; it is sent when they have arrived", async () => {
  expect(await writes("look at this", photo)).toBe(true);

  expect([line.told, outgoing.draft.value]).toEqual([["keeps look at this", "gives photo.jpg"], { words: "", files: [] }]);
  expect(outgoing.bringing.value).toEqual([{ task: hex(TASK), name: "photo.jpg", percent: 50 }]);
  line.giving[0]?.arrives();
  await until(() => line.told.at(-1) === "sends look at this");
  expect(outgoing.bringing.value).toEqual([]);
});

it("a task without files is kept and sent in one: there is nothing to wait for", async () => {
  expect(await writes("look")).toBe(true);

  expect(line.told).toEqual(["starts look"]);
});

it("files that do not arrive leave a task that was not sent; sent again, they are brought first, and only those that are not there yet", async () => {
  await writes("look at these", new File(["a"], "a"), new File(["b"], "b"));
  line.giving[0]?.arrives();
  await until(() => line.giving[1]);
  line.giving[1]?.fails(new Refused(Reason.NO_ROOM));
  await until(() => line.told.at(-1) === "gives up: NO_ROOM");

  if (line.command !== null) void outgoing.go(line.command);

  await until(() => line.giving[2]);
  line.giving[2]?.arrives();
  await until(() => line.told.at(-1) === "sends look at these");
  expect(line.giving.map(({ name }) => name)).toEqual(["a", "b", "b"]);
});

it("a file on its way can be stopped: its task is not sent", async () => {
  await writes("look at this", photo);

  expect(outgoing.stop(TASK)).toBe(true);

  await until(() => line.told.at(-1) === "gives up: CANCELLED_BY_PERSON");
  expect(outgoing.stop(TASK)).toBe(false);
});

it("a task that is sent twice brings its files once", async () => {
  await writes("look at this", photo);

  if (line.command !== null) expect(await outgoing.go(line.command)).toBeNull();

  expect(line.giving.length).toBe(1);
});

it("what is written while a task is kept stays in the box, and is not sent twice", async () => {
  let kept = (): void => undefined;
  line.keeps = new Promise((resolve) => { kept = resolve; });
  const sending = writes("one", photo);
  outgoing.write({ words: "one and two", files: [photo, new File(["y"], "other")] });
  expect(await outgoing.sendDraft()).toBe(false);

  kept();

  expect(await sending).toBe(true);
  expect([outgoing.draft.value.words, outgoing.draft.value.files.map(({ name }) => name)]).toEqual(["and two", ["other"]]);
  expect(line.told.filter((one) => one.startsWith("keeps"))).toEqual(["keeps one"]);
});

it("what could not be kept stays in the box, and why is said", async () => {
  line.keeps = Promise.reject(new Refused(Reason.STORE_FAILED));

  expect(await writes("one", photo)).toBe(false);

  expect([outgoing.draft.value, outgoing.trouble.value?.reason]).toEqual([{ words: "one", files: [photo] }, Reason.STORE_FAILED]);
  expect(line.giving).toEqual([]);
});

it("more files than a task may have are refused before any is read", async () => {
  let read = 0;
  line.described = async () => { read++; return Promise.reject(new Error("no")); };

  expect(await writes("one", ...Array.from({ length: MOST_ATTACHMENTS + 1 }, () => photo))).toBe(false);

  expect([outgoing.trouble.value?.reason, read]).toEqual([Reason.BAD_REQUEST, 0]);
});
