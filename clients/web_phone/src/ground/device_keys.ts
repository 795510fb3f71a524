/** The device's keys as objects of WebCrypto, which can be used and not read: not by this script either. docs/encryption.md "Keys at rest". */

import { type Bytes, equal, solid } from "../protocol/bytes.js";
import type { DhKey, Keys } from "../protocol/keys.js";
import type { Database, KeyRow } from "./database.js";
import { Vault } from "./vault.js";

/** This browser can't keep keys that can't be read out. */
export class NoDeviceKeys extends Error {}

const OWN = "own";

/** An X25519 key that stays in the browser. */
export class BrowserDhKey implements DhKey {
  constructor(
    readonly publicKey: Bytes,
    readonly key: CryptoKey,
  ) {}

  async agree(theirs: Bytes): Promise<Bytes> {
    const peer = await crypto.subtle.importKey("raw", solid(theirs), "X25519", false, []);
    const secret = new Uint8Array(await crypto.subtle.deriveBits({ name: "X25519", public: peer }, this.key, 256));
    // Browsers differ in whether they refuse it themselves, and the protocol counts on it.
    if (equal(secret, new Uint8Array(32))) throw new RangeError("the shared secret is all zeros");
    return secret;
  }
}

/** What the device has: its keys, and the vault for everything else. */
export interface DeviceKeys {
  keys: Keys;
  vault: Vault;
}

/** Gives the device's keys; makes them on the first start. Rejects with NoDeviceKeys where the browser has no such keys. */
export async function deviceKeys(database: Database): Promise<DeviceKeys> {
  const row = (await database.get("keys", OWN)) ?? (await made(database));
  return {
    vault: new Vault(row.vaultKey),
    keys: {
      signingKey: row.signPublic,
      sign: async (message) => new Uint8Array(await crypto.subtle.sign("Ed25519", row.signKey, solid(message))),
      makeDhKey: makeDhKey,
    },
  };
}

/** Makes another signing key in place of the device's, whose vault stays. What was made of the old row, `deviceKeys`, holds no more. */
export async function renewDeviceKey(database: Database): Promise<void> {
  const row = await database.get("keys", OWN);
  if (row === undefined) return;
  await database.put("keys", { ...row, ...(await signingKey()) }, OWN);
}

async function made(database: Database): Promise<KeyRow> {
  let row: KeyRow;
  try {
    await makeDhKey(); // told now rather than in the middle of pairing
    row = { ...(await signingKey()), vaultKey: await Vault.makeKey() };
  } catch (problem) {
    throw new NoDeviceKeys("no Ed25519 or X25519 in this browser", { cause: problem });
  }
  // Two tabs may start at once: whose keys are there first are the device's.
  const turn = database.transaction("keys", "readwrite", { durability: "strict" });
  const there = await turn.store.get(OWN);
  if (there === undefined) await turn.store.put(row, OWN);
  await turn.done;
  return there ?? row;
}

async function signingKey(): Promise<Pick<KeyRow, "signKey" | "signPublic">> {
  const pair = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
  return { signKey: pair.privateKey, signPublic: await publicHalf(pair) };
}

async function makeDhKey(): Promise<BrowserDhKey> {
  const pair = await crypto.subtle.generateKey("X25519", false, ["deriveBits"]);
  return new BrowserDhKey(await publicHalf(pair), pair.privateKey);
}

async function publicHalf(pair: CryptoKeyPair): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
}
