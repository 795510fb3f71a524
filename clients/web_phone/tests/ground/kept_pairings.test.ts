/** Pairings in a database: whose keys are there still, and whose are gone. */

import "fake-indexeddb/auto";

import { afterEach, beforeEach, expect, it } from "vitest";

import { type Database, openDatabase } from "../../src/ground/database.js";
import { type DeviceKeys, deviceKeys, renewDeviceKey } from "../../src/ground/device_keys.js";
import { KeptPairings } from "../../src/ground/kept_pairings.js";
import { type Bytes, EMPTY, hex } from "../../src/protocol/bytes.js";
import type { PairId } from "../../src/protocol/ids.js";
import type { Change } from "../../src/protocol/thread/store.js";

const HOST = new Uint8Array(32).fill(1);

let database: Database;
let device: DeviceKeys;
let kept: KeptPairings;

beforeEach(async () => {
  database = await openDatabase();
  device = await deviceKeys(database);
  kept = new KeptPairings(database, device.vault, device.keys.signingKey);
});

afterEach(() => {
  database.close();
  indexedDB.deleteDatabase("dispatch");
});

/** Keeps what a ceremony gave; with the host's signature it is over. */
async function pairs(number: number, hostSignature: Bytes | null, peerEd25519 = HOST): Promise<PairId> {
  const pairId = new Uint8Array(16).fill(number) as PairId;
  const keys = {
    pairId, ownX25519: await device.keys.makeDhKey(), peerX25519: new Uint8Array(32), ownEd25519: device.keys.signingKey, peerEd25519, pairPsk: new Uint8Array(32).fill(3),
  };
  await kept.pair({ keys, peerName: "desk", attestation: EMPTY, phoneSignature: EMPTY, hostSignature }, number);
  return pairId;
}

async function becomes(pairId: PairId, change: Change): Promise<void> {
  await kept.commit(pairId, (await kept.load(pairId))?.revision ?? -1, [change]);
}

/** Lists the pairings that have keys, and what is written on the others. */
async function stand(): Promise<[string, boolean, boolean][]> {
  const all = await kept.all();
  return Promise.all(all.map(async ({ pairId, known }) => [hex(pairId).slice(0, 2), (await kept.keys(pairId)) !== null && known.pairPsk.length > 0, known.replaced] as [string, boolean, boolean]));
}

it("the older pairing with a host ends when the new one is active, by the ceremony's last word", async () => {
  await pairs(1, EMPTY);
  await pairs(2, null);
  expect(await stand()).toEqual([["01", true, false], ["02", true, false]]);

  await pairs(2, EMPTY);

  expect(await stand()).toEqual([["01", false, true], ["02", true, false]]);
});

it("it ends as well when that word was lost and the first session made the new one active; other hosts' stay", async () => {
  await pairs(1, EMPTY);
  await pairs(7, EMPTY, new Uint8Array(32).fill(9));
  const second = await pairs(2, null);
  await becomes(second, { kind: "pairing", state: "active", reason: "" });

  for (let time = 0; time < 2; time++) await kept.settle();

  expect(await stand()).toEqual([["01", false, true], ["02", true, false], ["07", true, false]]);
});

it("it ends although its line writes at that moment", async () => {
  const first = await pairs(1, EMPTY);
  const second = await pairs(2, null);
  await becomes(second, { kind: "pairing", state: "active", reason: "" });
  const line = new KeptPairings(database, device.vault, device.keys.signingKey);
  const load = kept.load.bind(kept);
  kept.load = async (pairId) => {
    const snapshot = await load(pairId);
    kept.load = load;
    await line.commit(first, (await line.load(first))?.revision ?? -1, [{ kind: "cursor", seq: 4n }]);
    return snapshot;
  };

  await kept.settle();

  expect(await stand()).toEqual([["01", false, true], ["02", true, false]]);
  expect(await kept.load(first)).toMatchObject({ state: "ended", cursor: 4n });
});

it("keys of a pairing that the host has ended go, also where the page was closed before they had", async () => {
  await becomes(await pairs(1, EMPTY), { kind: "pairing", state: "ended", reason: "HOST_REVOKED" });
  expect(await stand()).toEqual([["01", true, false]]);

  await kept.settle();

  expect(await stand()).toEqual([["01", false, false]]);
});

it("a device whose key was revoked is another one behind a fresh key, and reads what was kept before", async () => {
  await pairs(1, EMPTY);

  await renewDeviceKey(database);

  const now = await deviceKeys(database);
  expect(now.keys.signingKey).not.toEqual(device.keys.signingKey);
  expect((await new KeptPairings(database, now.vault, now.keys.signingKey).all()).map(({ known }) => known.hostName)).toEqual(["desk"]);
});
