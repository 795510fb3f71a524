/** A link as a screen uses it: what a person wants gets through or is told why not, and there is one stream at a time and none behind its end. */

import { create } from "@bufbuild/protobuf";
import { ed25519 } from "@noble/curves/ed25519.js";
import { expect, it } from "vitest";

import { type Around, Link } from "../../src/app/model/link.js";
import { CARRY } from "../../src/ground/carrying.js";
import type { KeptPairing, Known } from "../../src/ground/kept_pairings.js";
import { EMPTY_CORE } from "../../src/ground/snapshots.js";
import { type Bytes, EMPTY } from "../../src/protocol/bytes.js";
import { Reason } from "../../src/protocol/dispatch/api/error/v1/error_pb.js";
import { Reachability } from "../../src/protocol/dispatch/api/relay/v1/relay_pb.js";
import { AttachmentSchema, QuestionSchema } from "../../src/protocol/dispatch/api/thread/v1/thread_pb.js";
import { Refused } from "../../src/protocol/errors.js";
import type { TaskId } from "../../src/protocol/ids.js";
import { deviceId } from "../../src/protocol/proof.js";
import type { Carrier } from "../../src/protocol/thread/carrier.js";
import type { Right } from "../../src/protocol/thread/client.js";
import { LONGEST_STEER_BYTES, LONGEST_TEXT_BYTES } from "../../src/protocol/thread/commands.js";
import { MemoryStore } from "../../src/protocol/thread/memory_store.js";
import { StoreMoved } from "../../src/protocol/thread/store.js";
import { counted, Host, makePair } from "../support/host.js";
import { Stream, TransferStream, until } from "../support/stream.js";

const TASK = new Uint8Array(16).fill(9) as TaskId;
const FILE = create(AttachmentSchema, { fileId: new Uint8Array(16), key: new Uint8Array(32), name: "a.bin", size: 3n, sha256: new Uint8Array(32) });
const RIGHT: Right = { grant: Uint8Array.of(7), relays: ["relay.example:7302"] };
const NO_NETWORK = { reason: Reason.NO_NETWORK };
const BAD_REQUEST = { reason: Reason.BAD_REQUEST };

/** What is kept, in memory. */
class Kept extends MemoryStore {
  fails = false;
  private readonly pair = makePair();

  constructor() {
    super();
    this.add(this.pair.phone.pairId);
  }

  override async commit(...given: Parameters<MemoryStore["commit"]>): Promise<void> {
    if (this.fails) throw new StoreMoved("somebody else has written");
    return super.commit(...given);
  }

  async keys(): ReturnType<Around["pairings"]["keys"]> {
    const { phone } = this.pair;
    return Promise.resolve({ keys: phone, signedFor: [phone.pairId] });
  }

  core = EMPTY_CORE;
  settled = 0;

  async all(): Promise<KeptPairing[]> {
    return Promise.resolve([{ pairId: this.pair.phone.pairId, known: {} as Known, core: this.core }]);
  }

  async rename(): Promise<void> {
    return Promise.resolve();
  }

  async end(): Promise<void> {
    return Promise.resolve();
  }

  async settle(): Promise<void> {
    this.settled++;
    return Promise.resolve();
  }
}

/** A phone with one host, and the relay's end of all streams. */
class World {
  readonly pair = makePair();
  readonly host = new Host(this.pair.host, this.pair.hostSeed);
  readonly kept = new Kept();
  readonly threads: Stream[] = [];
  readonly transfers: TransferStream[] = [];
  readonly activated: number[] = []; // how often it was settled before
  right = async (): Promise<Right> => Promise.resolve(RIGHT);
  dialTransfer = async (ending: AbortSignal): Promise<Carrier> => Promise.resolve(this.transfer().endedBy(ending));

  link(): Link {
    const { phone: { pairId, ownEd25519, peerEd25519, peerX25519, pairPsk }, phoneSeed } = this.pair;
    const sign = async (message: Bytes): Promise<Bytes> => Promise.resolve(ed25519.sign(message, phoneSeed));
    const known = { hostName: "desk", label: "", madeAtMs: 0, agreePublic: EMPTY, peerX25519, peerEd25519, pairPsk, earlier: [], replaced: false };
    return new Link({ pairId, known, core: EMPTY_CORE }, {
      pairings: this.kept, sign, signInNeeded: () => undefined, activated: () => { this.activated.push(this.kept.settled); }, right: async () => this.right(),
      identity: { deviceId: deviceId(ownEd25519), sign, appVersion: "0.1.0", instance: counted("instance")(16) },
      dial: async (_, path, ending) => (path === CARRY ? this.dialTransfer(ending) : Promise.resolve(this.thread().endedBy(ending))),
    });
  }

  thread(): Stream {
    const stream = new Stream();
    this.threads.push(stream);
    return stream;
  }

  transfer(): TransferStream {
    const stream = new TransferStream();
    this.transfers.push(stream);
    return stream;
  }

  /** Opens the stream of this number, with a host that is away. */
  async opens(number: number): Promise<Stream> {
    const stream = await until(() => this.threads[number - 1]);
    stream.tell({ frame: { case: "challenge", value: { nonce: EMPTY } } });
    await stream.says("open");
    stream.open();
    stream.tell({ frame: { case: "presence", value: { state: Reachability.ABSENT, cause: Reason.HOST_ASLEEP } } });
    return stream;
  }

  /** Gives a link whose stream is open, with a host that is away. */
  async open(): Promise<{ link: Link; stream: Stream }> {
    const link = this.link();
    await link.open();
    const stream = await this.opens(1);
    await until(() => link.presence !== null);
    return { link, stream };
  }

  /** Gives a link with a session. */
  async together(): Promise<Link> {
    const link = await this.greeted();
    await until(() => link.standing === "reachable");
    return link;
  }

  /** Gives a link whose host has answered its handshake. */
  async greeted(): Promise<Link> {
    const { link, stream } = await this.open();
    stream.tell({ frame: { case: "presence", value: { state: Reachability.REACHABLE, instance: Uint8Array.of(1) } } });
    const live = async (number: number): Promise<Bytes> => until(() => stream.said.flatMap((frame) => (frame.case === "live" ? [frame.value.sealed] : []))[number]);
    stream.tell({ frame: { case: "live", value: { sealed: await this.host.answer(await live(0)) } } });
    this.host.hears(await live(1));
    return link;
  }
}

/** Something that waits until a test lets it go on. */
function gate<T>(): { passed: Promise<T>; open: (value: T) => void } {
  let open: (value: T) => void = () => undefined;
  const passed = new Promise<T>((resolve) => { open = resolve; });
  return { passed, open };
}

it("what can't be sent is said, and nobody takes it for sent", async () => {
  const { link, stream } = await new World().open();
  const question = create(QuestionSchema, { questionId: new Uint8Array(16), choices: ["red"] });

  expect(await link.send("x".repeat(LONGEST_TEXT_BYTES + 1), [])).toMatchObject(BAD_REQUEST);
  expect(await link.steer(TASK, "x".repeat(LONGEST_STEER_BYTES + 1))).toMatchObject(BAD_REQUEST);
  expect(await link.answer(TASK, { question, choices: ["red"], isApproval: false, preview: { text: "", whole: true } }, "green")).toMatchObject({ became: "not_taken", why: BAD_REQUEST });

  expect([link.tasks, stream.said.some((frame) => frame.case === "post")]).toEqual([[], false]);
});

it("before there is a line nothing gets through, and that is said", async () => {
  const link = new World().link();

  for (const tried of [link.send("build it", []), link.steer(TASK, "faster"), link.cancel(TASK), link.putAway(TASK, "drop")]) {
    expect(await tried).toMatchObject(NO_NETWORK);
  }
});

it("what could not be kept has no card, also beside one with the same words: it is said", async () => {
  const world = new World();
  const { link, stream } = await world.open();
  const refusedBy = async (): Promise<void> => {
    const post = await stream.says("post");
    if (post.case === "post") stream.tell({ frame: { case: "refusal", value: { messageId: post.value.messageId, reason: Reason.HOST_ASLEEP, seq: 1n } } });
  };
  const [first] = await Promise.all([link.send("build it", []), refusedBy()]);
  expect(first).toBeNull();
  await until(() => link.tasks.map(({ view }) => view.state).join() === "refused"); // its card says so
  world.kept.fails = true;

  expect(await link.send("build it", [])).toMatchObject({ reason: Reason.STORE_FAILED });

  expect(link.tasks.length).toBe(1);
});

it("a link that was closed before it had a line opens no stream", async () => {
  const world = new World();
  const right = gate<null>();
  const load = world.kept.load.bind(world.kept);
  world.kept.load = async (pairId) => right.passed.then(async () => load(pairId));
  const closed = world.link();
  await closed.open();
  closed.close();

  right.open(null);
  await world.link().open(); // what the first would do it would have done before this one dials

  const [first] = await until(() => world.threads.length > 0 && world.threads);
  await first?.says("hello");
  expect(world.threads.length).toBe(1);
});

it("a link whose network has gone says no connection at once, and takes nothing for sent", async () => {
  const world = new World();
  const link = await world.together();

  link.renew();

  await until(() => link.standing === "no_network");
  expect(world.threads[0]?.closed).toBe(true);
  void link.send("build it", []);
  await until(() => link.tasks.length > 0);
  expect(link.tasks.map(({ view }) => view.state)).toEqual(["new"]); // not "sent"
  link.retry();
  await world.opens(2);
  await until(() => link.standing === "absent");
  link.close();
});

it("whoever presses Connect twice has one stream", async () => {
  const world = new World();
  const { link, stream } = await world.open();
  stream.end(new Refused(Reason.STREAM_SUPERSEDED));
  await until(() => link.standing === "stopped");

  await Promise.all([link.open(), link.open()]);
  expect(link.standing).not.toBe("stopped"); // at once: there is nothing more to press
  await world.opens(2);
  await until(() => link.presence !== null);
  await link.open();

  link.close();
  await until(() => world.threads[1]?.closed === true);
  expect(world.threads.length).toBe(2);
});

it("the first session makes a pairing active: older ones with that computer are settled, then the phone looks again at what it has", async () => {
  const world = new World();

  await world.together();

  await until(() => world.activated.length > 0);
  expect(world.activated).toEqual([1]);
});

it("older pairings that can't be settled now end no link: it comes back, and they are settled then", async () => {
  const world = new World();
  world.kept.settle = async () => {
    world.kept.settle = Kept.prototype.settle.bind(world.kept);
    return Promise.reject(new StoreMoved("an older line has written"));
  };

  const link = await world.greeted();

  await until(() => link.cause === Reason.STORE_FAILED);
  expect(link.standing).toBe("no_network"); // and not stopped
  link.retry();
  await world.opens(2);

  await until(() => world.activated.length > 0);
  expect(world.activated).toEqual([1]);
  link.close();
});

it("what came and did not open is counted for whoever asks", async () => {
  const world = new World();
  world.kept.core = { ...EMPTY_CORE, holes: 3 };

  expect(await world.link().holes()).toBe(3);
});

it("what is kept and can't be read stops its link, and is said", async () => {
  const world = new World();
  world.kept.keys = async () => Promise.reject(new Error("not sealed by this phone"));
  const link = world.link();

  await link.open();

  expect([link.standing, link.cause]).toEqual(["stopped", Reason.INTERNAL]);
});

it("where this phone is called is said by the next line, when there was none", async () => {
  const world = new World();
  const link = world.link();
  await link.callAt({ endpoint: "https://push.example/1" });

  await link.open();

  expect(await (await world.opens(1)).says("pushTarget")).toMatchObject({ value: { endpoint: "https://push.example/1" } });
});

it("a transfer that is stopped before it began asks nobody", async () => {
  const world = new World();
  const link = await world.together();
  const [right, asked, stop] = [gate<Right>(), gate<null>(), new AbortController()];
  world.right = async () => {
    asked.open(null);
    return right.passed;
  };
  const fetching = link.fetch(FILE, () => undefined, stop.signal).then(() => null, (problem: unknown) => problem);
  await asked.passed;

  stop.abort();
  right.open(RIGHT);

  expect(await fetching).toMatchObject(NO_NETWORK);
  expect(world.transfers).toEqual([]);
});

it("a transfer that is stopped while it is dialled ends the dial", async () => {
  const world = new World();
  const link = await world.together();
  const [asked, stop] = [gate<AbortSignal>(), new AbortController()];
  world.dialTransfer = async (ending) => {
    asked.open(ending);
    return new Promise(() => undefined);
  };
  const fetching = link.fetch(FILE, () => undefined, stop.signal).then(() => null, (problem: unknown) => problem);
  const ending = await asked.passed;

  stop.abort();

  expect(await fetching).toMatchObject(NO_NETWORK);
  expect(ending.aborted).toBe(true);
});

it("a transfer ends when the computer goes away, with the cause", async () => {
  const world = new World();
  const link = await world.together();
  const fetching = link.fetch(FILE, () => undefined, new AbortController().signal).then(() => null, (problem: unknown) => problem);
  const transfer = await until(() => world.transfers[0]);
  transfer.challenges();
  transfer.joins();
  await transfer.says("data"); // where to begin

  world.threads[0]?.tell({ frame: { case: "presence", value: { state: Reachability.ABSENT, cause: Reason.HOST_ASLEEP } } });

  expect(await fetching).toMatchObject({ reason: Reason.HOST_ASLEEP });
  expect([transfer.closed, world.transfers.length]).toEqual([true, 1]);
});

it("a transfer ends with its pairing", async () => {
  const world = new World();
  const link = await world.together();
  const fetching = link.fetch(FILE, () => undefined, new AbortController().signal).then(() => null, (problem: unknown) => problem);
  const transfer = await until(() => world.transfers[0]);
  await transfer.says("hello");

  world.threads[0]?.end(new Refused(Reason.NOT_PAIRED));

  expect(await fetching).toMatchObject({ reason: Reason.NOT_PAIRED });
  expect(transfer.closed).toBe(true);
});
