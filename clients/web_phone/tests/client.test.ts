/** The drivers: a stream that is opened, lost and resumed; and that nothing is sent of what could not be committed. */

import { create } from "@bufbuild/protobuf";
import { ed25519 } from "@noble/curves/ed25519.js";
import { expect, it } from "vitest";

import { type Bytes, EMPTY } from "../src/protocol/bytes.js";
import { Reason } from "../src/protocol/dispatch/api/error/v1/error_pb.js";
import { PushTargetSchema, Reachability } from "../src/protocol/dispatch/api/relay/v1/relay_pb.js";
import { AttachmentSchema, QuestionSchema } from "../src/protocol/dispatch/api/thread/v1/thread_pb.js";
import { Refused } from "../src/protocol/errors.js";
import type { Rng, TaskId } from "../src/protocol/ids.js";
import { deviceId, streamProofBytes } from "../src/protocol/proof.js";
import { verify } from "../src/protocol/signatures.js";
import { Backoff, EARLY_MAX_MS, FIRST_MS, LATE_MS, LONGEST_ADVISED_MS } from "../src/protocol/thread/backoff.js";
import { refusalOf } from "../src/protocol/thread/close.js";
import { answer, LONGEST_ANSWER_BYTES, LONGEST_TEXT_BYTES, MOST_ATTACHMENTS, task } from "../src/protocol/thread/commands.js";
import { OPEN_WITHIN_MS } from "../src/protocol/thread/client.js";
import { LineClient } from "../src/protocol/thread/line_client.js";
import { MemoryStore } from "../src/protocol/thread/memory_store.js";
import { type Change, StoreMoved } from "../src/protocol/thread/store.js";
import { OPEN, dialler, type Socket } from "../src/protocol/thread/web_socket.js";
import { counted, makePair } from "./support/host.js";
import { Hand, Stream, until } from "./support/stream.js";

class Failing extends MemoryStore {
  fails = false;
  unreadable = false;
  unread = 0; // so often

  override async load(...given: Parameters<MemoryStore["load"]>): ReturnType<MemoryStore["load"]> {
    if (this.unreadable) {
      this.unread++;
      throw new DOMException("no connection", "InvalidStateError");
    }
    return super.load(...given);
  }

  override async commit(...given: Parameters<MemoryStore["commit"]>): Promise<void> {
    if (this.fails) throw new StoreMoved("somebody else has written");
    return super.commit(...given);
  }
}

/** Of a Backoff whose chance is half. */
const FIRST_WAIT_MS = (FIRST_MS[0] + FIRST_MS[1]) / 2;
const TASK = new Uint8Array(16).fill(9) as TaskId;

async function setUp({ silent = false } = {}) {
  const { phone: keys, phoneSeed } = makePair();
  const [clock, store, streams] = [new Hand(), new Failing(), [] as Stream[]];
  const sign = async (message: Bytes): Promise<Bytes> => Promise.resolve(ed25519.sign(message, phoneSeed));
  const [draws, chance] = [counted("client"), { fails: false }];
  const rng: Rng = (length) => {
    if (chance.fails) throw new RangeError("no chance to be had");
    return draws(length);
  };
  store.add(keys.pairId);
  const asked: boolean[] = [];
  const service: { refuses: Reason | null } = { refuses: null };
  const line = await LineClient.open(
    { keys, sign, rng, signedFor: [keys.pairId] },
    {
      dial: async (_, __, ending) => {
        const stream = new Stream().endedBy(ending);
        streams.push(stream);
        if (silent) await stream.read(); // it does not open
        return stream;
      },
      clock, rng, backoff: new Backoff(() => 0.5),
      identity: { deviceId: deviceId(keys.ownEd25519), sign, appVersion: "0.1.0", instance: rng(16) },
    },
    {
      store,
      right: async (fresh) => {
        asked.push(fresh);
        if (service.refuses !== null) throw new Refused(service.refuses);
        return Promise.resolve({ grant: Uint8Array.of(7), relays: ["relay.example:7302"] });
      },
      changed: () => undefined, heard: () => undefined, revoked: async () => Promise.resolve(), activated: async () => Promise.resolve(),
    },
  );
  const over = line.run().then(() => null, (problem: unknown) => problem);
  /** Gives the next stream, once it is dialled; time goes on until then, unless it stands. */
  const next = async (number: number, { timeStands = false } = {}): Promise<Stream> => until(() => {
    if (streams.length < number && !timeStands) clock.move(100);
    return streams[number - 1];
  });
  /** Opens that stream, with a host that is away. */
  const opens = async (number: number): Promise<Stream> => {
    const stream = await next(number);
    stream.tell({ frame: { case: "challenge", value: { nonce: EMPTY } } });
    await stream.says("open");
    stream.open();
    stream.tell({ frame: { case: "presence", value: { state: Reachability.ABSENT, cause: Reason.HOST_ASLEEP } } });
    await until(() => line.line.host !== null);
    return stream;
  };
  return { keys, clock, store, line, over, next, opens, chance, asked, service };
}

it("opens with a proof over the address dialled, both nonces and the grant; answers pings; resumes behind the last row", async () => {
  const { keys, line, next, over } = await setUp();
  const first = await next(1);
  const hello = await first.says("hello");
  const serverNonce = new Uint8Array(32).fill(3);
  first.tell({ frame: { case: "challenge", value: { nonce: serverNonce } } });
  const proof = await first.says("proof");
  if (hello.case !== "hello" || proof.case !== "proof") throw new Error("no proof");
  const words = streamProofBytes({ dialled: "relay.example:7302", device: hello.value.deviceId, clientNonce: hello.value.nonce, serverNonce, grant: hello.value.grant });
  expect(verify(keys.ownEd25519, proof.value.signature, words)).toBe(true);
  first.open();
  first.tell({ frame: { case: "ping", value: { number: 5n } } }, { frame: { case: "receipt", value: { seq: 4n, messageId: new Uint8Array(16) } } });
  expect(await first.says("pong")).toMatchObject({ value: { number: 5n } });
  expect(await first.says("ack")).toMatchObject({ value: { throughSeq: 4n } });

  first.end(new Refused(Reason.NO_NETWORK));
  const second = await next(2);
  second.tell({ frame: { case: "challenge", value: { nonce: serverNonce } } });
  expect(await second.says("open")).toMatchObject({ value: { resumeAfter: 4n } });
  second.open(4n);
  await until(() => line.error === null);
  line.leave();
  expect(await over).toBeNull();
  expect(second.said.at(-1)).toMatchObject({ case: "bye" });
});

it("asks for a fresh grant once when the relay does not take the one it has, and ends when nothing is gained by coming back", async () => {
  const { next, over, asked } = await setUp();
  (await next(1)).end(new Refused(Reason.GRANT_EXPIRED));
  (await next(2)).end(new Refused(Reason.STREAM_SUPERSEDED));
  expect(await over).toMatchObject({ reason: Reason.STREAM_SUPERSEDED });
  expect(asked).toEqual([false, true]);
});

it("says so when it gets no grant for a handshake until somebody signs in, and tries on when the service is only away", async () => {
  const { clock, line, opens, over, asked, service } = await setUp();
  const stream = await opens(1);
  service.refuses = Reason.NO_NETWORK;
  stream.tell({ frame: { case: "presence", value: { state: Reachability.REACHABLE, instance: Uint8Array.of(1) } } });
  await until(() => asked.length === 2);
  service.refuses = Reason.SIGN_IN_REQUIRED;
  await until(() => {
    if (asked.length === 2) clock.move(100); // until the next try
    return asked.length > 2;
  });
  await until(() => stream.closed); // no silence is waited for
  await until(() => {
    clock.move(100);
    return line.error?.reason === Reason.SIGN_IN_REQUIRED;
  });
  expect(await over).toMatchObject({ reason: Reason.SIGN_IN_REQUIRED });
});

it("opens a stream at once when there is a network again, and waits as before when that fails, too", async () => {
  const { clock, line, next } = await setUp();
  (await next(1)).end(new Refused(Reason.NO_NETWORK));
  await until(() => line.error !== null);

  line.retry();

  const second = await next(2, { timeStands: true });
  const at = clock.now;
  second.end(new Refused(Reason.NO_NETWORK));
  await next(3);
  expect(clock.now).toBeGreaterThan(at);
});

it("comes back when the timer came a moment too soon: it comes once, and a phone would wait for ever", async () => {
  const { clock, line, next } = await setUp();
  clock.early = 0.5;
  (await next(1)).end(new Refused(Reason.NO_NETWORK));
  await until(() => line.error !== null);
  clock.move(FIRST_WAIT_MS - clock.early);
  await next(2, { timeStands: true });
});

it("a stream that is open waits for nothing: there is nothing to hurry", async () => {
  const { clock, line, next } = await setUp();
  const first = await next(1);
  first.tell({ frame: { case: "challenge", value: { nonce: EMPTY } } });
  await first.says("open");
  line.retry(); // while it opens
  first.open();
  await until(() => line.error === null && clock.waiting === 1);

  line.retry();

  first.tell({ frame: { case: "ping", value: { number: 1n } } });
  await first.says("pong");
  expect([first.closed, clock.waiting]).toEqual([false, 1]);
});

it("says that nobody looks any more when the person went while the stream opened", async () => {
  const { line, next } = await setUp();
  await line.look(true);
  const first = await next(1);
  first.tell({ frame: { case: "challenge", value: { nonce: EMPTY } } });
  expect(await first.says("open")).toMatchObject({ value: { looking: true } });

  await line.look(false);
  first.open();

  expect(await first.says("looking")).toMatchObject({ value: { looking: false } });
});

it("takes a silent stream for lost", async () => {
  const { clock, line, next } = await setUp();
  const first = await next(1);
  first.tell({ frame: { case: "challenge", value: { nonce: EMPTY } } });
  await first.says("open");
  first.open();
  await until(() => line.error === null && first.said.length > 0);
  const second = until(() => {
    clock.move(5_000);
    return line.error?.reason === Reason.LEASE_LOST;
  });
  expect(await second).toBe(true);
});

it("takes a silent stream for lost when its timers come a moment too soon", async () => {
  const { clock, line, opens } = await setUp();
  clock.early = 0.5;
  await opens(1);
  await until(() => {
    clock.move(5_000 - clock.early);
    return line.error?.reason === Reason.LEASE_LOST;
  });
});

it("sends nothing of what could not be committed, and goes back to what is stored on another stream", async () => {
  const { line, next, opens, store } = await setUp();
  const first = await opens(1);
  await line.look(true);
  await line.callAt(create(PushTargetSchema, { endpoint: "https://push.example/1" }));
  store.fails = true;

  await expect(line.send(task(new Uint8Array(16) as TaskId, "build it"))).rejects.toMatchObject({ reason: Reason.STORE_FAILED });

  expect(first.said.some((frame) => frame.case === "post")).toBe(false);
  expect(line.line.ledger.all()).toEqual([]);
  store.fails = false;
  const second = await next(2);
  second.tell({ frame: { case: "challenge", value: { nonce: EMPTY } } });
  // What the person wants is in no store, and is not forgotten with the line.
  expect(await second.says("open")).toMatchObject({ value: { looking: true } });
  second.open();
  expect(await second.says("pushTarget")).toMatchObject({ value: { endpoint: "https://push.example/1" } });
});

it("a store that fails while a stream ends does not end the line: it comes back", async () => {
  const { line, next, opens, store, over } = await setUp();
  const first = await opens(1);
  const sent = line.send(task(TASK, "build it"));
  const post = await first.says("post");
  if (post.case !== "post") throw new Error("no post");
  store.fails = true;

  first.end(new Refused(Reason.NO_NETWORK));

  expect(await sent).toMatchObject({ verdict: "open" });
  const second = await next(2);
  store.fails = false;
  second.tell({ frame: { case: "challenge", value: { nonce: EMPTY } } });
  await second.says("open");
  second.tell({ frame: { case: "opened", value: { pendingMessageIds: [post.value.messageId] } } });
  await until(() => line.line.ledger.view(TASK).state === "unconfirmed"); // which the end of the first stream could not note
  second.tell({ frame: { case: "receipt", value: { seq: 1n, messageId: post.value.messageId } } });
  expect(await second.says("ack")).toMatchObject({ value: { throughSeq: 1n } });
  line.leave();
  expect(await over).toBeNull();
});

it("a line that is over is over for the reason that it was told, also while the store fails", async () => {
  const { line, opens, store, over } = await setUp();
  const stream = await opens(1);
  void line.send(task(TASK, "build it"));
  await stream.says("post");
  store.fails = true;

  stream.end(new Refused(Reason.STREAM_SUPERSEDED));

  expect(await over).toMatchObject({ reason: Reason.STREAM_SUPERSEDED });
});

it("a line that can't go back to its store either leaves its stream all the same, and goes back when the store can be read", async () => {
  const { line, opens, store } = await setUp();
  const first = await opens(1);
  const sent = line.send(task(TASK, "build it"));
  await first.says("post");
  [store.fails, store.unreadable] = [true, true];

  await expect(line.send(task(new Uint8Array(16) as TaskId, "build that"))).rejects.toMatchObject({ reason: Reason.STORE_FAILED });

  await until(() => first.closed);
  [store.fails, store.unreadable] = [false, false];
  await opens(2);
  expect(await sent).toMatchObject({ verdict: "open" });
  expect(line.line.ledger.all().map(({ text }) => text)).toEqual(["build it"]);
});

it("resumes behind the last row that it could keep, when the store could not be read for a while", async () => {
  const { clock, line, next, opens, store } = await setUp();
  const first = await opens(1);
  [store.fails, store.unreadable] = [true, true];

  first.tell({ frame: { case: "receipt", value: { seq: 4n, messageId: new Uint8Array(16) } } });

  await until(() => line.error?.reason === Reason.STORE_FAILED);
  await until(() => {
    clock.move(100);
    return store.unread > 2; // tries that find it so
  });
  [store.fails, store.unreadable] = [false, false];
  const second = await next(2);
  second.tell({ frame: { case: "challenge", value: { nonce: EMPTY } } });
  expect(await second.says("open")).toMatchObject({ value: { resumeAfter: 0n } });
});

/** Opens a stream whose first row can't be kept, in a store that can't be read either. */
async function astray(of: Awaited<ReturnType<typeof setUp>>): Promise<void> {
  const { line, opens, store } = of;
  const first = await opens(1);
  [store.fails, store.unreadable] = [true, true];
  first.tell({ frame: { case: "receipt", value: { seq: 4n, messageId: new Uint8Array(16) } } });
  await until(() => line.error?.reason === Reason.STORE_FAILED);
}

it("keeps what a person wishes though the store can't be read when they say it", async () => {
  const world = await setUp();
  const { line, next, store } = world;
  await line.look(true);
  await astray(world);

  await expect(line.look(false)).rejects.toMatchObject({ reason: Reason.STORE_FAILED });

  [store.fails, store.unreadable] = [false, false];
  const second = await next(2);
  second.tell({ frame: { case: "challenge", value: { nonce: EMPTY } } });
  expect(await second.says("open")).toMatchObject({ value: { looking: false } });
});

it("says nothing of a command that has yet to begin when the line goes back to the store for it", async () => {
  const world = await setUp();
  const { line, opens, store } = world;
  await astray(world);
  [store.fails, store.unreadable] = [false, false];
  const told: unknown[] = [];

  void line.send(task(TASK, "build it")).then((post) => told.push(post));

  const second = await opens(2);
  const post = await second.says("post");
  expect(told).toEqual([]);
  if (post.case !== "post") throw new Error("no post");
  second.tell({ frame: { case: "refusal", value: { messageId: post.value.messageId, reason: Reason.HOST_ASLEEP, seq: 1n } } });
  await until(() => told.length > 0);
  expect(told).toMatchObject([{ verdict: "refused", reason: "HOST_ASLEEP" }]);
});

it("leaves nothing of a step that fails half-way to the steps behind it: one command that can't be made is not the end of all others", async () => {
  const { line, opens, chance, over } = await setUp();
  await opens(1);
  chance.fails = true;

  await expect(line.send(task(new Uint8Array(16) as TaskId, "build it"))).rejects.toThrow(RangeError);

  chance.fails = false;
  const second = await opens(2);
  const other = new Uint8Array(16).fill(2) as TaskId;
  void line.send(task(other, "build that"));
  const post = await second.says("post");
  expect(post).toMatchObject({ value: { taskId: other } });
  line.leave();
  expect(await over).toBeNull();
});

it("a command that is on its way when its line is left is over, with what is known of it", async () => {
  const { line, opens, over } = await setUp();
  const stream = await opens(1);
  const posted = line.send(task(TASK, "build it"));
  await stream.says("post");
  stream.tell({ frame: { case: "presence", value: { state: Reachability.REACHABLE, instance: Uint8Array.of(1) } } });
  await until(() => line.line.host?.state === Reachability.REACHABLE);
  const { over: waits } = await line.begin(task(new Uint8Array(16) as TaskId, "build that")); // for a session

  line.leave();

  expect(await over).toBeNull();
  expect(await posted).toMatchObject({ verdict: "open" });
  expect(await waits).toBeNull();
});

it("refuses what fits no frame before anything of it is kept, and goes on with its stream", async () => {
  const { line, opens } = await setUp();
  const stream = await opens(1);
  const file = create(AttachmentSchema, { fileId: EMPTY, key: EMPTY, sha256: EMPTY, name: "x".repeat(4_096) });
  const words = "x".repeat(LONGEST_TEXT_BYTES);
  const question = create(QuestionSchema, { questionId: new Uint8Array(16) });

  expect(() => task(TASK, words, Array.from({ length: MOST_ATTACHMENTS + 1 }, () => file))).toThrow(Refused);
  expect(() => answer(TASK, question, "x".repeat(LONGEST_ANSWER_BYTES + 1), counted("answer"))).toThrow(Refused);
  await expect(line.send(task(TASK, words, Array.from({ length: MOST_ATTACHMENTS }, () => file)))).rejects.toMatchObject({ reason: Reason.BAD_REQUEST });

  expect(line.line.ledger.all()).toEqual([]);
  expect(stream.closed).toBe(false);
});

it("two pages on one store do not overwrite each other", async () => {
  const store = new MemoryStore();
  const { phone } = makePair();
  store.add(phone.pairId);
  const change: Change = { kind: "cursor", seq: 1n };
  await store.commit(phone.pairId, 0, [change]);
  await expect(store.commit(phone.pairId, 0, [{ kind: "cursor", seq: 9n }])).rejects.toThrow(StoreMoved);
  expect((await store.load(phone.pairId))?.cursor).toBe(1n);
});

it("waits longer each time, as long as it is told, and never for good", () => {
  const backoff = new Backoff(() => 0.5);
  const waits = [0, 0, 0, 0, 0, 0].map(() => backoff.nextMs(0));
  expect(waits[0]).toBe((FIRST_MS[0] + FIRST_MS[1]) / 2);
  expect(waits.at(-1)).toBe(EARLY_MAX_MS);
  expect([backoff.nextMs(61_000), backoff.nextMs(61_000, 60_000), backoff.nextMs(61_000, 1e12)]).toEqual([LATE_MS, 60_000, LONGEST_ADVISED_MS]);
});

it("reads the reason of a close, and takes any other end for the network", () => {
  expect(refusalOf(4011, "reason=RESUME_TOO_OLD&retry_after_ms=20&oldest_seq=17&detail=a+b")).toMatchObject({
    reason: Reason.RESUME_TOO_OLD, retryAfterMs: 20, metadata: { oldest_seq: "17" }, detail: "a b",
  });
  expect(refusalOf(4007, "reason=NO_SUCH_WORD").reason).toBe(Reason.INTERNAL);
  for (const [code, reason] of [[1006, ""], [1000, "reason=NOT_PAIRED"], [4007, ""], [4100, "reason=NOT_PAIRED"]] as const) {
    expect(refusalOf(code, reason).reason).toBe(Reason.NO_NETWORK);
  }
});

it("gives up a dial that does not open, and dials again", async () => {
  const { clock, line, next } = await setUp({ silent: true });
  const first = await next(1);

  clock.move(OPEN_WITHIN_MS);

  await until(() => line.error !== null);
  expect([first.closed, line.error]).toMatchObject([true, { reason: Reason.NO_NETWORK, detail: "relay.example:7302 does not answer" }]);
  await next(2);
});

it("a dial that is given up closes its socket: a browser has one at a time on its way to an address, and others would wait behind it", async () => {
  const closed: (number | undefined)[] = [];
  const socket: Socket = {
    binaryType: "", bufferedAmount: 0, readyState: 0, onopen: null, onmessage: null, onclose: null, onerror: null,
    send: () => undefined, close: (code) => { closed.push(code); }, // of which a browser tells later
  };
  const [ending, urls] = [new AbortController(), [] as string[]];
  const dial = dialler((url) => { urls.push(url); return socket; }, "wss", new Hand());
  const dialling = dial("relay.example:7302", "/a/B", ending.signal);

  ending.abort();

  await expect(dialling).rejects.toMatchObject({ reason: Reason.NO_NETWORK });
  expect(closed).toEqual([1000]);
  await expect(dial("relay.example:7302", "/a/B", ending.signal)).rejects.toMatchObject({ reason: Reason.NO_NETWORK });
  expect(urls.length).toBe(1); // given up before it began: nothing is dialled
});

it("carries messages over a WebSocket, and says why it was closed", async () => {
  const socket: Socket & { sent: Bytes[]; readyState: number } = {
    binaryType: "", bufferedAmount: 0, readyState: OPEN, onopen: null, onmessage: null, onclose: null, onerror: null, sent: [],
    send(message) { this.sent.push(message); },
    close() { this.onclose?.({ code: 1006, reason: "" }); },
  };
  const urls: string[] = [];
  const opening = dialler((url) => { urls.push(url); return socket; }, "wss", new Hand())("relay.example:7302", "/a/B", new AbortController().signal);
  socket.onopen?.({} as never);
  const carrier = await opening;
  await carrier.write(Uint8Array.of(1));
  socket.onmessage?.({ data: Uint8Array.of(2).buffer });
  expect([urls, socket.sent, await carrier.read()]).toEqual([["wss://relay.example:7302/a/B"], [Uint8Array.of(1)], Uint8Array.of(2)]);
  socket.readyState = 2; // closing: its end is told in a moment, and a browser complains of what is sent meanwhile
  await carrier.write(Uint8Array.of(3));
  expect(socket.sent).toEqual([Uint8Array.of(1)]);
  socket.onclose?.({ code: 4009, reason: "reason=STREAM_SUPERSEDED" });
  await expect(carrier.read()).rejects.toMatchObject({ reason: Reason.STREAM_SUPERSEDED });
  await expect(carrier.write(EMPTY)).rejects.toMatchObject({ reason: Reason.STREAM_SUPERSEDED });
});
