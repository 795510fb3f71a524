/** One end of a transfer: whatever stands still for too long is over, for the path may have died without a word. */

import { expect, it } from "vitest";

import { type Carrying, CHALLENGE_WITHIN_MS, join, JOIN_WITHIN_MS, SILENCE_MS } from "../../src/ground/carrying.js";
import { Reason } from "../../src/protocol/dispatch/api/error/v1/error_pb.js";
import { ID_BYTES, type TransferId } from "../../src/protocol/ids.js";
import { deviceId } from "../../src/protocol/proof.js";
import type { Carrier } from "../../src/protocol/thread/carrier.js";
import { counted } from "../support/host.js";
import { TransferStream, Hand, until } from "../support/stream.js";

const NO_NETWORK = { reason: Reason.NO_NETWORK };

/** A transfer that is being joined, and the relay's end of it. */
class Joining {
  readonly clock = new Hand();
  readonly stream = new TransferStream();
  readonly ending = new AbortController();

  async join(dialled: Promise<Carrier> = Promise.resolve(this.stream)): Promise<Carrying> {
    const rng = counted("carrying");
    const identity = { deviceId: deviceId(rng(32)), sign: async () => Promise.resolve(rng(64)), appVersion: "0.1.0", instance: rng(16) };
    const dial = async (): Promise<Carrier> => dialled;
    this.stream.endedBy(this.ending.signal);
    return join({ dial, relay: "relay.example:7302", grant: rng(8), transferId: rng(ID_BYTES) as TransferId, identity, rng, clock: this.clock, ending: this.ending });
  }

  async joined(): Promise<Carrying> {
    const joining = this.join();
    this.stream.challenges();
    this.stream.joins();
    return joining;
  }
}

/** Gives what it rejects with; null when it resolves. */
async function problemOf(doing: Promise<unknown>): Promise<unknown> {
  return doing.then(() => null, (problem: unknown) => problem);
}

it("a relay that can't be reached and does not say so is waited for no longer than this", async () => {
  const world = new Joining();
  const joining = problemOf(world.join(new Promise(() => undefined)));

  world.clock.move(CHALLENGE_WITHIN_MS);

  expect(await joining).toMatchObject(NO_NETWORK);
  expect([world.ending.signal.aborted, world.clock.waiting]).toEqual([true, 0]);
});

it("a relay that says nothing is given up: no challenge, or nothing about the other end", async () => {
  const silent = new Joining();
  const opening = problemOf(silent.join());
  await silent.stream.says("hello");
  silent.clock.move(CHALLENGE_WITHIN_MS);
  expect(await opening).toMatchObject(NO_NETWORK);

  const alone = new Joining();
  const joining = problemOf(alone.join());
  alone.stream.challenges();
  await alone.stream.says("join");
  await until(() => alone.clock.waiting === 1);
  alone.clock.move(JOIN_WITHIN_MS);
  expect(await joining).toMatchObject(NO_NETWORK);

  expect([silent, alone].map(({ stream, clock }) => [stream.closed, clock.waiting])).toEqual([[true, 0], [true, 0]]);
});

it("a transfer on which nothing comes any more is over, and its stream closed", async () => {
  const world = new Joining();
  const carrying = await world.joined();
  world.stream.data(Uint8Array.of(1));
  expect(await carrying.hear()).toEqual(Uint8Array.of(1));
  const hearing = problemOf(carrying.hear());

  world.clock.move(SILENCE_MS - 1);
  expect(world.stream.closed).toBe(false);
  world.clock.move(1);

  expect(await hearing).toMatchObject(NO_NETWORK);
  expect([world.stream.closed, world.clock.waiting]).toEqual([true, 0]);
});

it("a transfer on which nothing goes any more is over, and its stream closed", async () => {
  const world = new Joining();
  const carrying = await world.joined();
  await carrying.say(Uint8Array.of(1));
  world.stream.stuck = true;
  const saying = problemOf(carrying.say(Uint8Array.of(2)));

  world.clock.move(SILENCE_MS);

  expect(await saying).toMatchObject(NO_NETWORK);
  expect([world.stream.closed, world.clock.waiting]).toEqual([true, 0]);
});
