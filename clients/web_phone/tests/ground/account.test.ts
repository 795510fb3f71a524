/** What is kept of a sign-in while answers of the service come in whatever order: the newest, and nothing once the person has left. */

import { create } from "@bufbuild/protobuf";
import { createRouterTransport } from "@connectrpc/connect";
import { expect, it } from "vitest";

import { Account } from "../../src/ground/account.js";
import { Vault } from "../../src/ground/vault.js";
import { type Bytes, EMPTY } from "../../src/protocol/bytes.js";
import { Reason } from "../../src/protocol/dispatch/api/error/v1/error_pb.js";
import { AccountService, PairingService, RenewGrantResponseSchema, SignOutResponseSchema } from "../../src/protocol/dispatch/api/pairing/v1/pairing_pb.js";
import type { PairId } from "../../src/protocol/ids.js";
import { Hand, until } from "../support/stream.js";

const PAIR = new Uint8Array(16) as PairId;
const [FIRST, FRESH] = [Uint8Array.of(1), Uint8Array.of(2)];

/** A phone that is signed in, at a service whose answers a test lets go. */
async function world() {
  const [vault, rows, answers] = [new Vault(await Vault.makeKey()), new Map<string, Bytes>(), [] as ((session: Bytes) => void)[]];
  const slow = { put: Promise.resolve() };
  const database = {
    get: async (_: string, place: string) => Promise.resolve(rows.get(place)),
    put: async (_: string, row: Bytes, place: string) => slow.put.then(() => { rows.set(place, row); return place; }),
  };
  const service = createRouterTransport(({ service }) => {
    service(PairingService, {
      renewGrant: async () => new Promise((resolve) => answers.push((session) => { resolve(create(RenewGrantResponseSchema, { session })); })),
    });
    service(AccountService, { signOut: async () => Promise.resolve(create(SignOutResponseSchema)) });
  });
  const keys = { signingKey: new Uint8Array(32), sign: async () => Promise.resolve(EMPTY), makeDhKey: async () => Promise.reject(new Error("not here")) };
  const account = (): Account => new Account(database as never, vault, keys, new Hand(), () => service);
  const signedIn = { server: "pairing.example:443", account: "ann", service: "example", deviceName: "pocket", session: FIRST, pinned: { keys: [], sequence: 0n } };
  rows.set("signed-in", await vault.seal("signed-in", signedIn));
  const own = account();
  await own.open();
  return { own, answers, slow, asks: async () => own.right(PAIR, true).then(() => null, () => null), kept: async () => { const other = account(); await other.open(); return other.signedIn?.session; } };
}

it("an older token does not take the place of the fresh one, however late its answer is kept", async () => {
  const { own, answers, slow, asks, kept } = await world();
  const asking = [asks(), asks()];
  const [first, second] = await until(() => answers.length === 2 && answers);
  let disk = (): void => undefined;
  slow.put = new Promise((resolve) => { disk = resolve; });

  first?.(FRESH);
  second?.(EMPTY); // it was answered while the other was on its way to the disk
  await Promise.resolve();
  disk();
  await Promise.all(asking);

  expect([own.signedIn?.session, await kept()]).toEqual([FRESH, FRESH]);
});

it("a right that can't be kept is asked for again", async () => {
  const { own, answers, slow, kept } = await world();
  const right = async (): Promise<unknown> => own.right(PAIR, false).then(() => null, (problem: unknown) => problem);
  slow.put = Promise.reject(new DOMException("the disk is full", "QuotaExceededError"));
  slow.put.catch(() => undefined);
  const first = right();
  (await until(() => answers[0]))(FRESH);
  expect(await first).toMatchObject({ reason: Reason.STORE_FAILED });
  expect(own.signedIn?.session).toEqual(FIRST); // which is good until the other is used

  slow.put = Promise.resolve();
  const second = right();
  (await until(() => answers[1]))(FRESH);
  await second;

  expect([own.signedIn?.session, await kept()]).toEqual([FRESH, FRESH]);
});

it("an answer that comes behind a sign-out signs nobody in again", async () => {
  const { own, answers, asks, kept } = await world();
  const asking = asks();
  const [answer] = await until(() => answers.length === 1 && answers);
  await own.signOut();

  answer?.(FRESH);
  await asking;

  expect([own.hasSession, await kept()]).toEqual([false, EMPTY]);
});
