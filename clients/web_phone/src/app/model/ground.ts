/** What a phone stands on: the database, the keys in it, who is signed in; and what its links share. The same for a page and for the service worker. */

import { Account, APP_VERSION, overConnect } from "../../ground/account.js";
import { clock } from "../../ground/clock.js";
import { type Database, openDatabase } from "../../ground/database.js";
import { type DeviceKeys, deviceKeys } from "../../ground/device_keys.js";
import { KeptPairings } from "../../ground/kept_pairings.js";
import type { Bytes } from "../../protocol/bytes.js";
import { deviceId } from "../../protocol/proof.js";
import { dialler, type Socket } from "../../protocol/thread/web_socket.js";
import type { Around } from "./link.js";

/** What is under everything. */
export interface Ground {
  database: Database;
  device: DeviceKeys;
  account: Account;
  pairings: KeptPairings;
}

/** Lays the ground, on a database that is open already or not. Rejects with NoDeviceKeys, or with what the database says. */
export async function lay(open?: Database): Promise<Ground> {
  const database = open ?? (await openDatabase());
  const device = await deviceKeys(database);
  const account = new Account(database, device.vault, device.keys, clock, overConnect(location.protocol === "https:" ? "https" : "http"));
  await account.open();
  return { database, device, account, pairings: new KeptPairings(database, device.vault, device.keys.signingKey) };
}

/** Gives what links share. `instance` is this page's, or this worker's. */
export function aroundLinks({ account, device, pairings }: Ground, instance: Bytes, hears: Pick<Around, "signInNeeded" | "activated">): Around {
  const { keys } = device;
  return {
    ...hears, pairings, sign: keys.sign,
    identity: { deviceId: deviceId(keys.signingKey), sign: keys.sign, appVersion: APP_VERSION, instance },
    dial: dialler((url) => new WebSocket(url) as unknown as Socket, location.protocol === "https:" ? "wss" : "ws", clock),
    right: async (pairId, fresh) => account.right(pairId, fresh),
  };
}
