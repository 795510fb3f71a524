/**
 * Pairings in IndexedDB: the protocol's store, and the keys that a line begins with.
 *
 * What is to be written is sealed first, then goes in by one transaction, which looks whether the revision is still the one that was
 * read: another tab that wrote meanwhile makes it StoreMoved, and nothing is written. docs/web-phone.md "What is kept".
 */

import { type Bytes, EMPTY, fromHex, hex } from "../protocol/bytes.js";
import { Reason } from "../protocol/dispatch/api/error/v1/error_pb.js";
import { word } from "../protocol/errors.js";
import type { PairId } from "../protocol/ids.js";
import type { Paired } from "../protocol/pairing/ceremony.js";
import type { PairKeys } from "../protocol/sealed/pair_keys.js";
import { type Change, type Snapshot, type Store, StoreMoved, type StoredEvent, type Task } from "../protocol/thread/store.js";
import { type Database, rowsOf } from "./database.js";
import { BrowserDhKey } from "./device_keys.js";
import { changed, type Core, EMPTY_CORE } from "./snapshots.js";
import type { Vault } from "./vault.js";

/** What a phone knows of a pairing beside its line. */
export interface Known {
  readonly hostName: string;
  /** What the person calls it here; empty for nothing else. */
  readonly label: string;
  readonly madeAtMs: number;
  readonly agreePublic: Bytes;
  readonly peerX25519: Bytes;
  readonly peerEd25519: Bytes;
  readonly pairPsk: Bytes;
  /** Earlier pairings of the same two devices, whose words the thread may hold. */
  readonly earlier: readonly PairId[];
  /** Whether another pairing with the same host took its place. */
  readonly replaced: boolean;
}

/** A pairing, without its secrets. */
export interface KeptPairing {
  readonly pairId: PairId;
  readonly known: Known;
  readonly core: Core;
}

interface Held {
  revision: number;
  core: Core;
  tasks: ReadonlyMap<string, Task>;
}

/** Keeps pairings. One per page. */
export class KeptPairings implements Store {
  // As they were read or written here last. The transaction finds out when that is no longer so.
  private readonly held = new Map<string, Held>();

  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly ownEd25519: Bytes,
  ) {}

  // ---- The line's store.

  async load(pairId: PairId): Promise<Snapshot | null> {
    const pairing = hex(pairId);
    const row = await this.database.get("pairings", pairing);
    if (row === undefined) return null;
    const core = (await this.vault.open(`core/${pairing}`, row.core)) as Core;
    const tasks = await this.tasks(pairing);
    const places = await this.events(pairId, 0n);
    this.held.set(pairing, { revision: row.revision, core, tasks: new Map(tasks.map((task) => [hex(task.taskId), task])) });
    return { ...core, revision: row.revision, tasks, places };
  }

  async commit(pairId: PairId, revision: number, changes: readonly Change[]): Promise<void> {
    const pairing = hex(pairId);
    const held = this.held.get(pairing);
    if (held?.revision !== revision) throw new StoreMoved("the store has moved");
    const { core, tasks, events } = changed(held.core, held.tasks, changes);
    const [sealedCore, sealedTasks, sealedEvents] = await Promise.all([
      this.vault.seal(`core/${pairing}`, core),
      Promise.all([...tasks].map(async ([id, task]) => [id, await this.vault.seal(`task/${pairing}/${id}`, task)] as const)),
      Promise.all(events.map(async (event) => [Number(event.number), await this.vault.seal(`event/${pairing}/${event.number}`, event)] as const)),
    ]);
    const turn = this.database.transaction(["pairings", "tasks", "events"], "readwrite", { durability: "strict" });
    const row = await turn.objectStore("pairings").get(pairing);
    if (row?.revision !== revision) {
      turn.abort();
      await turn.done.catch(() => undefined);
      throw new StoreMoved("the store has moved");
    }
    void turn.objectStore("pairings").put({ ...row, revision: revision + 1, core: sealedCore }, pairing);
    for (const [id, sealed] of sealedTasks) void turn.objectStore("tasks").put(sealed, [pairing, id]);
    for (const [number, sealed] of sealedEvents) void turn.objectStore("events").put(sealed, [pairing, number]);
    await turn.done;
    this.held.set(pairing, { revision: revision + 1, core, tasks: new Map([...held.tasks, ...tasks]) });
  }

  async events(pairId: PairId, after: bigint): Promise<readonly StoredEvent[]> {
    const pairing = hex(pairId);
    const range = rowsOf(pairing, Number(after));
    const [keys, rows] = await Promise.all([this.database.getAllKeys("events", range), this.database.getAll("events", range)]);
    return Promise.all(rows.map(async (row, at) => (await this.vault.open(`event/${pairing}/${keys[at]?.[1] ?? ""}`, row)) as StoredEvent));
  }

  // ---- Pairings.

  /** Lists the pairings, oldest first. */
  async all(): Promise<KeptPairing[]> {
    const pairings = await this.database.getAllKeys("pairings");
    const listed = await Promise.all(pairings.map(async (pairing) => {
      const row = await this.database.get("pairings", pairing);
      if (row === undefined) return null;
      const core = (await this.vault.open(`core/${pairing}`, row.core)) as Core;
      return { pairId: fromHex(pairing) as PairId, known: await this.known(pairing, row.known), core };
    }));
    return listed.filter((one) => one !== null).sort((a, b) => a.known.madeAtMs - b.known.madeAtMs);
  }

  /** Gives what a line begins with; null when the pairing or its keys are gone. */
  async keys(pairId: PairId): Promise<{ keys: PairKeys; signedFor: PairId[] } | null> {
    const row = await this.database.get("pairings", hex(pairId));
    if (row?.agreeKey === undefined || row.agreeKey === null) return null;
    const { agreePublic, peerX25519, peerEd25519, pairPsk, earlier } = await this.known(hex(pairId), row.known);
    const ownX25519 = new BrowserDhKey(agreePublic, row.agreeKey);
    return { keys: { pairId, ownX25519, peerX25519, ownEd25519: this.ownEd25519, peerEd25519, pairPsk }, signedFor: [pairId, ...earlier] };
  }

  /** Keeps what a ceremony gave: provisional the first time, and final when the host has signed; then older pairings with this host are over. */
  async pair({ keys, peerName, hostSignature }: Paired, madeAtMs: number): Promise<void> {
    const pairing = hex(keys.pairId);
    if (!(keys.ownX25519 instanceof BrowserDhKey)) throw new TypeError("a key of another kind");
    // With a key of this device that was revoked the host had another thread.
    const older = (await this.all()).filter(({ pairId, known, core }) =>
      hex(pairId) !== pairing && hex(known.peerEd25519) === hex(keys.peerEd25519) && core.reason !== word(Reason.DEVICE_REVOKED));
    if ((await this.database.get("pairings", pairing)) === undefined) {
      const known: Known = {
        hostName: peerName, label: older.at(-1)?.known.label ?? "", madeAtMs, agreePublic: keys.ownX25519.publicKey, peerX25519: keys.peerX25519,
        peerEd25519: keys.peerEd25519, pairPsk: keys.pairPsk, earlier: older.map(({ pairId }) => pairId), replaced: false,
      };
      await this.database.put("pairings", {
        revision: 0, core: await this.vault.seal(`core/${pairing}`, EMPTY_CORE), known: await this.vault.seal(`known/${pairing}`, known), agreeKey: keys.ownX25519.key,
      }, pairing);
    }
    if (hostSignature === null) return;
    const snapshot = await this.load(keys.pairId);
    if (snapshot?.state === "provisional") await this.commit(keys.pairId, snapshot.revision, [{ kind: "pairing", state: "active", reason: "" }]);
    await this.settle();
  }

  /**
   * Drops the keys that are to be gone: of pairings that are over, and of older ones with the host of an active one. What is in the
   * way of that (a page that is closed between a commit and the next) is made good by the next call. Repeating it is safe.
   */
  async settle(): Promise<void> {
    const all = await this.all();
    const replaced = new Set(all.flatMap(({ core, known }) => (core.state === "active" ? known.earlier.map(hex) : [])));
    for (const { pairId, known, core } of all) {
      const isReplaced = replaced.has(hex(pairId));
      const isDone = known.pairPsk.length === 0 && (known.replaced || !isReplaced);
      if ((core.state === "ended" || isReplaced) && !isDone) await this.end(pairId, { replaced: isReplaced });
    }
  }

  /** Changes what a person calls the host. */
  async rename(pairId: PairId, label: string): Promise<void> {
    await this.edit(pairId, (known) => ({ ...known, label }), true);
  }

  /** Ends every pairing of this device, whose key was revoked. */
  async endAll(reason: string): Promise<void> {
    for (const { pairId, core } of await this.all()) if (core.state !== "ended") await this.end(pairId, { reason });
  }

  /** Drops the keys of a pairing that is over; what was said stays to be read. */
  async end(pairId: PairId, { replaced = false, reason = "" } = {}): Promise<void> {
    while (!(await this.ends(pairId, reason)));
    await this.edit(pairId, (known) => ({ ...known, pairPsk: EMPTY, replaced: known.replaced || replaced }), false);
  }

  /** Writes that a pairing is over. False when its line, which goes on until it hears of that, has written meanwhile. */
  private async ends(pairId: PairId, reason: string): Promise<boolean> {
    const snapshot = await this.load(pairId);
    if (snapshot === null) return true;
    const changes: Change[] = [{ kind: "chains", chains: [] }, { kind: "pairing", state: "ended", reason: reason || snapshot.reason }];
    return this.commit(pairId, snapshot.revision, changes).then(() => true, (problem: unknown) => {
      if (problem instanceof StoreMoved) return false;
      throw problem;
    });
  }

  /** Removes a pairing and everything that was said in it. */
  async remove(pairId: PairId): Promise<void> {
    const pairing = hex(pairId);
    const turn = this.database.transaction(["pairings", "tasks", "events"], "readwrite", { durability: "strict" });
    void turn.objectStore("pairings").delete(pairing);
    void turn.objectStore("tasks").delete(rowsOf(pairing));
    void turn.objectStore("events").delete(rowsOf(pairing));
    await turn.done;
    this.held.delete(pairing);
  }

  private async tasks(pairing: string): Promise<Task[]> {
    const range = rowsOf(pairing);
    const [keys, rows] = await Promise.all([this.database.getAllKeys("tasks", range), this.database.getAll("tasks", range)]);
    const opened = await Promise.all(rows.map(async (row, at) => (await this.vault.open(`task/${pairing}/${keys[at]?.[1] ?? ""}`, row)) as Task));
    return opened.sort((a, b) => a.madeAtMs - b.madeAtMs);
  }

  private async known(pairing: string, sealed: Bytes): Promise<Known> {
    return (await this.vault.open(`known/${pairing}`, sealed)) as Known;
  }

  private async edit(pairId: PairId, how: (known: Known) => Known, keepKey: boolean): Promise<void> {
    const pairing = hex(pairId);
    const row = await this.database.get("pairings", pairing);
    if (row === undefined) return;
    const known = await this.vault.seal(`known/${pairing}`, how(await this.known(pairing, row.known)));
    const turn = this.database.transaction("pairings", "readwrite", { durability: "strict" });
    const now = await turn.store.get(pairing);
    if (now !== undefined) void turn.store.put({ ...now, known, agreeKey: keepKey ? now.agreeKey : null }, pairing);
    await turn.done;
  }
}
