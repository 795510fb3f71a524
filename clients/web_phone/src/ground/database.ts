/** The one database of this browser's phone. What is in it besides key objects is sealed (`vault`). docs/web-phone.md "What is kept". */

import { type DBSchema, type IDBPDatabase, openDB } from "idb";

import type { Bytes } from "../protocol/bytes.js";

/** A pairing as it lies there. */
export interface PairingRow {
  revision: number;
  /** The line's snapshot without tasks and events. */
  core: Bytes;
  /** Names and keys; null when the pairing is over. */
  known: Bytes;
  /** The private half of this pairing's X25519 key, which nobody can read out; null when the pairing is over. */
  agreeKey: CryptoKey | null;
}

/** The key objects of this device. */
export interface KeyRow {
  signKey: CryptoKey;
  signPublic: Bytes;
  vaultKey: CryptoKey;
}

interface Schema extends DBSchema {
  keys: { key: string; value: KeyRow };
  device: { key: string; value: Bytes };
  pairings: { key: string; value: PairingRow };
  tasks: { key: [string, string]; value: Bytes };
  events: { key: [string, number]; value: Bytes };
}

export type Database = IDBPDatabase<Schema>;

const NAME = "dispatch";

/** Opens the database, and makes it where there is none. */
export async function openDatabase(): Promise<Database> {
  return openDB<Schema>(NAME, 1, {
    upgrade: (database) => {
      for (const store of ["keys", "device", "pairings", "tasks", "events"] as const) database.createObjectStore(store);
    },
    // Another tab deletes everything: it must not wait for this one.
    blocking: (_, __, event) => { (event.target as IDBDatabase).close(); },
  });
}

/** Covers all rows of a pairing in `tasks`, or in `events` behind a number. */
export function rowsOf(pairing: string, after?: number): IDBKeyRange {
  return IDBKeyRange.bound([pairing, ...(after === undefined ? [] : [after])], [pairing, []], after !== undefined, true);
}
