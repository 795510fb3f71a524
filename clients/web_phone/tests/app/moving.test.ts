/** A file on its way, transfer after transfer. */

import { create } from "@bufbuild/protobuf";
import { sha256 } from "@noble/hashes/sha2.js";
import { expect, it } from "vitest";

import { join, SILENCE_MS } from "../../src/ground/carrying.js";
import { fetched, given, STUCK_MS, type Way } from "../../src/ground/moving.js";
import { solid } from "../../src/protocol/bytes.js";
import { Reason } from "../../src/protocol/dispatch/api/error/v1/error_pb.js";
import { AttachmentSchema } from "../../src/protocol/dispatch/api/thread/v1/thread_pb.js";
import { Refused } from "../../src/protocol/errors.js";
import { described } from "../../src/protocol/files/described.js";
import { Giving } from "../../src/protocol/files/giving.js";
import { Taking } from "../../src/protocol/files/taking.js";
import type { TransferId } from "../../src/protocol/ids.js";
import { deviceId } from "../../src/protocol/proof.js";
import { CHUNK_BYTES } from "../../src/protocol/sealed/file.js";
import { Backoff } from "../../src/protocol/thread/backoff.js";
import { counted } from "../support/host.js";
import { Hand, TransferStream, until } from "../support/stream.js";

const FILE = create(AttachmentSchema, { fileId: new Uint8Array(16), key: new Uint8Array(32), name: "a.bin", size: 3n, sha256: new Uint8Array(32) });
const CONTENT = counted("content")(2 * CHUNK_BYTES);
const LARGE = create(AttachmentSchema, { ...FILE, size: BigInt(CONTENT.length), sha256: sha256(CONTENT) });

/** Transfers over streams in the test's hand. */
class Transfers {
  readonly clock = new Hand();
  readonly streams: { stream: TransferStream; transferId: TransferId }[] = [];

  way(): Way {
    const rng = counted("transfers");
    const identity = { deviceId: deviceId(rng(32)), sign: async () => Promise.resolve(rng(64)), appVersion: "0.1.0", instance: rng(16) };
    return {
      clock: this.clock, rng, backoff: () => new Backoff(() => 0.5),
      join: async (transferId) => {
        const [stream, ending] = [new TransferStream(), new AbortController()];
        this.streams.push({ stream: stream.endedBy(ending.signal), transferId });
        const dial = async (): Promise<TransferStream> => Promise.resolve(stream);
        return join({ dial, relay: "relay.example:7302", grant: rng(8), transferId, identity, rng, clock: this.clock, ending });
      },
    };
  }

  /** Joins the transfer of this number with the host; time goes on until it is tried. */
  async joined(number: number): Promise<{ stream: TransferStream; transferId: TransferId }> {
    const one = await until(() => {
      if (this.streams.length < number) this.clock.move(100);
      return this.streams[number - 1];
    });
    one.stream.challenges();
    one.stream.joins();
    await one.stream.says("join");
    return one;
  }
}

it("a download whose path dies without a word goes on by itself, behind what is here", async () => {
  const world = new Transfers();
  const far: number[] = [];
  const fetching = fetched(world.way(), LARGE, (done) => far.push(done), new AbortController().signal);
  const giving = (transferId: TransferId): Giving => new Giving(described(LARGE), transferId, counted("host"));
  const first = await world.joined(1);
  await first.stream.says("data");
  first.stream.data(giving(first.transferId).chunk(0, CONTENT.slice(0, CHUNK_BYTES)));
  await until(() => far.length === 1 && world.clock.waiting === 1); // for the next chunk

  world.clock.move(SILENCE_MS);

  const second = await world.joined(2);
  await second.stream.says("data");
  second.stream.data(giving(second.transferId).chunk(1, CONTENT.slice(CHUNK_BYTES)));
  expect((await fetching).size).toBe(CONTENT.length);
  expect([first.stream.closed, far]).toEqual([true, [CHUNK_BYTES, 2 * CHUNK_BYTES]]);
});

it("an upload whose path dies without a word, and has no other, is over with the patience for it", async () => {
  const world = new Transfers();
  const giving = given(world.way(), LARGE, new Blob([solid(CONTENT)]), () => undefined, new AbortController().signal).then(() => null, (problem: unknown) => problem);
  const first = await world.joined(1);
  first.stream.data(new Taking(described(LARGE), first.transferId, 0, counted("host")).begin() ?? CONTENT);
  await until(() => first.stream.said.filter((frame) => frame.case === "data").length === 2 && world.clock.waiting === 1);
  const atMs = world.clock.now;

  const over = { yet: false };
  void giving.then(() => { over.yet = true; });
  await until(() => {
    if (world.clock.waiting > 0) world.clock.move(1_000);
    return over.yet;
  });

  expect(await giving).toMatchObject({ reason: Reason.NO_NETWORK });
  expect(world.clock.now - atMs).toBeGreaterThanOrEqual(STUCK_MS);
  expect(world.streams.map(({ stream }) => stream.closed)).toEqual(world.streams.map(() => true));
});

it("an upload of which no try gets further than the one before is over with the patience for it", async () => {
  const world = new Transfers();
  const giving = given(world.way(), LARGE, new Blob([solid(CONTENT)]), () => undefined, new AbortController().signal).then(() => null, (problem: unknown) => problem);
  for (const number of [1, 2]) { // the line takes what a buffer holds, and carries none of it
    const one = await world.joined(number);
    one.stream.data(new Taking(described(LARGE), one.transferId, 0, counted("host")).begin() ?? CONTENT);
    await until(() => one.stream.said.filter((frame) => frame.case === "data").length === 2 && world.clock.waiting === 1);
    world.clock.move(SILENCE_MS);
  }
  expect(await giving).toMatchObject({ reason: Reason.NO_NETWORK });
  expect(world.streams).toHaveLength(2);
});

it("what is stopped while it waits for the next try is over at once, and is not tried again", async () => {
  const [clock, stop] = [new Hand(), new AbortController()];
  const joined: string[] = [];
  const way = {
    clock, rng: counted("moving"), backoff: () => new Backoff(() => 0.5),
    join: async (_: unknown, ask: string) => {
      joined.push(ask);
      return Promise.reject(new Refused(Reason.PEER_ABSENT));
    },
  };
  const fetching = fetched(way, FILE, () => undefined, stop.signal).then(() => null, (problem: unknown) => problem);
  await until(() => clock.waiting === 1);

  stop.abort();

  expect(await fetching).toBeInstanceOf(Refused);
  clock.move(60_000);
  expect([joined, clock.waiting]).toEqual([["want"], 0]);
});
