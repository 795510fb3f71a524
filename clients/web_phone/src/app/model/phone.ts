/** The phone behind the screens: who is signed in, its hosts, and what it is doing. Wires the ground by hand; screens read its signals. */

import { effect, type Signal, signal } from "@preact/signals";

import { clock, rng } from "../../ground/clock.js";
import { NoDeviceKeys, renewDeviceKey } from "../../ground/device_keys.js";
import { own } from "../../ground/ownership.js";
import { Preferences } from "../../ground/preferences.js";
import { tellWorker } from "../../ground/worker_choices.js";
import { hex } from "../../protocol/bytes.js";
import { Reason } from "../../protocol/dispatch/api/error/v1/error_pb.js";
import { Refused, word } from "../../protocol/errors.js";
import { ID_BYTES, type PairId } from "../../protocol/ids.js";
import { meet } from "../../protocol/pairing/meeting.js";
import { RENEW } from "../../worker/notice.js";
import { answerWorker } from "./approvals.js";
import { Calling } from "./calling.js";
import { codeFor } from "./code.js";
import { aroundLinks, type Ground, lay } from "./ground.js";
import { Link, refused } from "./link.js";

/** Where the phone is with itself. */
export type Stage =
  | "starting" | "no_keys" | "no_store"
  /** Another tab has the device. */
  | "elsewhere"
  | "signed_out" | "ready";

/** A provisional pairing that the host never completed is forgotten after so long, ms. */
const PROVISIONAL_MS = 10 * 60_000;

/** The code that both people compare, and the person's word. */
export interface Comparing {
  readonly code: string;
  readonly peer: string;
  answer(same: boolean): void;
}

/** This browser's phone. One per page. */
export class Phone {
  readonly stage: Signal<Stage> = signal("starting");
  readonly links: Signal<readonly Link[]> = signal([]);
  readonly comparing: Signal<Comparing | null> = signal(null);
  /** Whether the browser says that there is a network. */
  readonly online: Signal<boolean> = signal(navigator.onLine);
  /** What of a person's sign-in the screens show. */
  readonly signedIn: Signal<{ account: string; server: string; service: string; deviceName: string } | null> = signal(null);
  /** Why nothing goes on before the person has signed in again; null while they know it themselves. */
  readonly signInNeeded: Signal<Refused | null> = signal(null);
  readonly preferences = new Preferences();
  private ground: Ground | null = null;
  private calls: Calling | null = null;
  private shown = "";
  private owns = false; // the device, which only one tab has
  private era = 0; // counts what closed all links: nobody opens one that was wanted before
  private opening: Promise<void> = Promise.resolve();
  private stopTelling = (): void => undefined; // the worker, of what was chosen

  constructor() {
    for (const kind of ["online", "offline"] as const) addEventListener(kind, () => { this.network(kind === "online"); });
    document.addEventListener("visibilitychange", () => {
      // The tab that had the device may be closed by now: who comes back to this one finds out.
      if (document.visibilityState === "visible" && this.stage.peek() === "elsewhere") void this.start();
      void this.look();
    });
    if (!("serviceWorker" in navigator)) return;
    answerWorker(navigator.serviceWorker, (id) => this.links.peek().find((link) => link.id === id));
    navigator.serviceWorker.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
      if (data === RENEW) void this.calling.renew().catch(() => undefined);
    });
  }

  /** Starts, or says why it can't. `takeOver` takes the device from another tab. */
  async start({ takeOver = false } = {}): Promise<void> {
    this.stage.value = "starting";
    const taken = new AbortController(); // by another tab, which may come while this one begins
    const isTaken = (): boolean => taken.signal.aborted;
    try {
      // Where nothing may be stored, locks are denied as well.
      this.owns = (await own(takeOver, () => { taken.abort(); this.leave(); })) && !isTaken();
      if (isTaken()) return;
      const stage = this.owns ? await this.begin() : "elsewhere";
      if (!isTaken()) this.stage.value = stage;
    } catch (problem) {
      if (!isTaken()) this.stage.value = problem instanceof NoDeviceKeys ? "no_keys" : "no_store";
    }
  }

  /** Lays the ground and opens what there is; gives where the phone is then. */
  private async begin(): Promise<Stage> {
    // A page that took the device back has had a ground before.
    await this.layGround();
    return this.there().account.hasSession ? this.openAll() : "signed_out";
  }

  private async layGround(): Promise<void> {
    this.stopTelling();
    this.ground?.database.close();
    this.ground = await lay();
    this.showSignedIn();
  }

  /** The network came or went. A stream that was over it stands for a while as if it were there: what is shown must not say so. */
  private network(online: boolean): void {
    this.online.value = online;
    for (const link of this.links.peek()) if (online) link.retry(); else link.renew();
    if (online) void this.calling.renew().catch(() => undefined);
  }

  /** Hears which thread is on the screen, if any. */
  showing(pairing: string): void {
    this.shown = pairing;
    void this.look();
  }

  /** How this phone is called. */
  get calling(): Calling {
    this.calls ??= new Calling(this.preferences, () => this.links.value);
    return this.calls;
  }

  /** Signs in: as a new device where the service says that the key of this one was revoked. Rejects with Refused. */
  async signIn(of: { server: string; account: string; password: string; deviceName: string }): Promise<void> {
    await this.there().account.signIn(of).catch(async (problem: unknown) => {
      if (refused(problem).reason !== Reason.DEVICE_REVOKED) throw problem;
      await this.startAfresh();
      await this.there().account.signIn(of);
    });
    this.closeLinks(); // those that waited for a sign-in begin anew
    this.signInNeeded.value = null;
    // The browser may else throw everything away when its disk is full.
    if ("storage" in navigator) void navigator.storage.persist();
    this.showSignedIn();
    this.stage.value = await this.openAll();
  }

  /** Signs out: the pairings and what was said stay on this phone, and nothing more is sent or heard. */
  async signOut(): Promise<void> {
    this.closeLinks();
    await this.quietly(this.calling.silence());
    await this.there().account.signOut();
    this.showSignedIn();
    this.signInNeeded.value = null;
    this.stage.value = "signed_out";
  }

  /** Pairs with the host behind a code. Gives the link, or rejects with Refused. */
  async pair(written: string): Promise<Link> {
    const { account, device, pairings } = this.there();
    if (account.signedIn === null) throw new Refused(Reason.SIGN_IN_REQUIRED);
    const code = codeFor(account.signedIn.service, written);
    const begun: PairId[] = [];
    try {
      const paired = await meet({
        code, name: account.signedIn.deviceName, keys: device.keys, rng, clock, transport: account.calls(),
        person: { same: async (digits, peer, signal) => this.compare(digits, peer, signal) },
        commit: async (so) => {
          begun.push(so.keys.pairId);
          await pairings.pair(so, Date.now());
        },
      });
      await this.openLinks();
      const link = this.links.value.find(({ id }) => id === hex(paired.keys.pairId));
      if (link === undefined) throw new Refused(Reason.STORE_FAILED);
      return link;
    } catch (problem) {
      const why = refused(problem);
      // The host may have completed it when only the network went; a session will show that, so its link is opened.
      if (why.reason !== Reason.NO_NETWORK) for (const pairId of begun) await pairings.remove(pairId);
      else if (begun.length > 0) await this.quietly(this.openLinks());
      throw why;
    } finally {
      this.comparing.value = null;
    }
  }

  /** Ends a pairing: at the service, if it can be told, and here in any case. */
  async unpair(link: Link): Promise<void> {
    const { account, pairings } = this.there();
    if (link.over === null) await account.endPairing(link.pairId);
    await this.forget(link);
    await pairings.remove(link.pairId);
  }

  /** Removes a pairing from this phone alone, whatever the service says: nobody is needed for that. */
  async remove(link: Link): Promise<void> {
    await this.forget(link);
    await this.there().pairings.remove(link.pairId);
  }

  /** Forgets everything: keys, pairings, threads. */
  async reset(): Promise<void> {
    this.closeLinks();
    this.stopTelling();
    await this.quietly(this.calling.silence());
    this.ground?.database.close(); // from here on nothing that is still under way can write
    await new Promise<void>((resolve, reject) => {
      const deleting = indexedDB.deleteDatabase("dispatch");
      deleting.onsuccess = () => { resolve(); };
      deleting.onerror = () => { reject(new Refused(Reason.STORE_FAILED)); };
    });
    localStorage.clear();
    location.reload();
  }

  private there(): Ground {
    if (this.ground === null) throw new Refused(Reason.STORE_FAILED, "not started");
    return this.ground;
  }

  private async compare(code: string, peer: string, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const answer = (same: boolean): void => {
        if (this.comparing.value !== null) this.comparing.value = null;
        resolve(same);
      };
      signal.addEventListener("abort", () => { answer(false); }, { once: true });
      this.comparing.value = { code, peer, answer };
    });
  }

  /** Opens all links; gives where the phone is then: one of them may have heard meanwhile that the person has to sign in. */
  private async openAll(): Promise<Stage> {
    await this.openLinks();
    return this.signInNeeded.value === null ? "ready" : "signed_out";
  }

  /**
   * Becomes a new device, since a key that was revoked never comes in again. What it was paired with is over; what was said stays.
   * Only the service that the person has just named is believed in that.
   */
  private async startAfresh(): Promise<void> {
    const { database, pairings } = this.there();
    this.closeLinks();
    await pairings.endAll(word(Reason.DEVICE_REVOKED));
    await renewDeviceKey(database); // last: as long as the old one is there, the next try comes this way again
    this.ground = await lay(database);
  }

  /** Opens the links of all pairings that are not open yet, and closes those that are over; one call after the other. */
  private async openLinks(): Promise<void> {
    const mine = this.opening.then(async () => this.openLinksNow());
    this.opening = mine.catch(() => undefined);
    return mine;
  }

  private async openLinksNow(): Promise<void> {
    const { era } = this;
    const ground = this.there();
    const { pairings, database, device } = ground;
    const around = aroundLinks(ground, this.instance, {
      signInNeeded: (why) => {
        this.signInNeeded.value = why;
        this.stage.value = "signed_out";
      },
      activated: () => { void this.quietly(this.openLinks()); },
    });
    await pairings.settle();
    const kept = await pairings.all();
    for (const { pairId, known, core } of kept) {
      if (core.state === "provisional" && Date.now() - known.madeAtMs > PROVISIONAL_MS) await pairings.remove(pairId);
    }
    const shown = (await pairings.all()).filter(({ known }) => !known.replaced);
    if (!this.owns || era !== this.era) return; // it was left meanwhile: another tab may have its streams already
    // From here on there is somebody whose choices a worker has to know.
    this.stopTelling();
    this.stopTelling = effect(() => { void this.quietly(tellWorker(database, device.vault, this.preferences.watch())); });
    const open = new Map(this.links.value.map((link) => [link.id, link]));
    const links = shown.map((one) => open.get(hex(one.pairId)) ?? new Link(one, around));
    for (const gone of this.links.value.filter((link) => !links.includes(link))) gone.close();
    this.links.value = links;
    await Promise.all(links.filter(({ id }) => !open.has(id)).map(async (link) => link.open()));
    await this.look();
    this.calling.watch();
  }

  private readonly instance = rng(ID_BYTES);

  private async forget(link: Link): Promise<void> {
    link.close();
    this.links.value = this.links.value.filter((one) => one !== link);
    await this.quietly(this.links.value.length > 0 ? this.calling.seen(link.id) : this.calling.silence());
  }

  /** Does what nothing else may wait for or fail with: it is made good later, or told by what comes of it. */
  private async quietly(doing: Promise<void>): Promise<void> {
    await doing.catch(() => undefined);
  }

  private closeLinks(): void {
    this.era++;
    for (const link of this.links.value) link.close();
    this.links.value = [];
  }

  private leave(): void {
    this.owns = false;
    this.closeLinks();
    this.stage.value = "elsewhere";
  }

  private async look(): Promise<void> {
    if (this.shown !== "" && document.visibilityState === "visible") void this.quietly(this.calling.seen(this.shown));
    await Promise.all(this.links.value.map(async (link) => link.look(document.visibilityState === "visible")));
  }

  private showSignedIn(): void {
    const now = this.ground?.account.signedIn ?? null;
    this.signedIn.value = now === null ? null : { account: now.account, server: now.server, service: now.service, deviceName: now.deviceName };
  }
}
