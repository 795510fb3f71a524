/**
 * Web Push from the page's side: subscribes, tells each host's relay where and when this phone is called, and takes notifications away
 * again. docs/push.md.
 *
 * A browser has one subscription, and that one key: the relays that have another can't call, which is said of each. What a link does is
 * no reason to subscribe anew, only another key or another choice is: else two relays with two keys would have this go round for ever.
 */

import { effect, type Signal, signal } from "@preact/signals";

import { clock } from "../../ground/clock.js";
import type { Chosen, Preferences } from "../../ground/preferences.js";
import { type Bytes, EMPTY, hex, solid } from "../../protocol/bytes.js";
import { Reason } from "../../protocol/dispatch/api/error/v1/error_pb.js";
import type { Clock } from "../../protocol/thread/carrier.js";
import type { Link } from "./link.js";

/** What came of wanting to be called. */
export type Called = "off" | "on" | "denied" | "unsupported" | "no_service";

/** Why one computer's relay does not call this phone: it can't, it uses another key than the subscription has, or what it answered. */
export type Uncalled = "no_push" | "other_key" | Reason;

/** What of a link this needs. */
export type Callee = Pick<Link, "callAt" | "id" | "presence" | "pushKey" | "pushTargetKept" | "watch">;

/** What of a browser this needs. */
export interface Caller {
  readonly supported: boolean;
  /** Whether the person allows it. */
  readonly allowed: boolean;
  /** Asks the person's leave. */
  mayCall(): Promise<boolean>;
  /** Gives the worker's registration; null while there is none. */
  registration(): Promise<Registration | null>;
  /** Waits for one that can be called; null when none comes. */
  ready(): Promise<Registration | null>;
}

type Registration = Pick<ServiceWorkerRegistration, "getNotifications" | "pushManager">;

/** When this phone is called, and in which language. */
interface When {
  readonly quiet?: { timeZone: string; fromMinute: number; toMinute: number; questionsRing: boolean };
  readonly language: string;
}

/** The browser's subscription, and the relay's key that it is for, in hex. */
interface Subscribed {
  readonly key: string;
  readonly target: typeof NOWHERE;
}

/** A worker that does not start in this time is no worker, ms. */
const READY_MS = 10_000;
/** A push service that could not be reached is tried again after so long, and each time after twice as long, up to the longest, ms. */
export const AGAIN_MS = 10_000;
const LONGEST_AGAIN_MS = 30 * 60_000;
const NOWHERE = { endpoint: "", p256dh: EMPTY, auth: EMPTY };

/** Keeps the relays told. */
export class Calling {
  /** What came of it last. */
  readonly called: Signal<Called>;
  private said = new WeakMap<Callee, string>(); // what each was given last; it says so until its relay has answered
  private watching = false;
  private heeded = ""; // what the last run went by
  private running: Promise<void> = Promise.resolve();
  private againMs = AGAIN_MS; // how long the next wait for the push service is
  private takeBack = (): void => undefined; // that wait
  private readonly key: Signal<string> = signal(""); // the subscription's, in hex

  constructor(
    private readonly preferences: Preferences,
    private readonly links: () => readonly Callee[],
    private readonly browser: Caller = HERE,
    private readonly time: Clock = clock,
  ) {
    this.called = signal(preferences.chosen.peek().notify ? "on" : "off");
  }

  /** Asks the person's leave and subscribes. Call it from a person's click. */
  async turnOn(): Promise<void> {
    if (!this.browser.supported) this.called.value = "unsupported";
    else if (!(await this.browser.mayCall())) this.called.value = "denied";
    else {
      this.preferences.choose({ notify: true });
      await this.tell();
    }
  }

  /** Calls no more. */
  async turnOff(): Promise<void> {
    this.preferences.choose({ notify: false });
    await this.tell();
  }

  /** Chooses whether what is asked is shown in a notification; what is shown so goes with a no. */
  async showQuestions(show: boolean): Promise<void> {
    this.preferences.choose({ answerThere: show });
    if (!show) await this.clear(({ bound }) => (bound ?? null) !== null);
  }

  /** Takes away what notifications say of a pairing whose thread is looked at, or that is over. */
  async seen(pairing: string): Promise<void> {
    await this.clear((of) => of.pairing === pairing);
  }

  /** Nobody calls here any more, and no notification is left: the person has left, or no computer is. What they chose stays. */
  async silence(): Promise<void> {
    this.takeBack();
    await this.clear(() => true);
    await this.unsubscribe();
    this.said = new WeakMap();
    [this.heeded, this.key.value] = ["", ""];
  }

  /** Tells relays when there is something new to tell: after a stream opened, after a choice. */
  watch(): void {
    if (this.watching || !this.browser.supported) return;
    this.watching = true;
    effect(() => {
      for (const link of this.links()) link.watch();
      this.preferences.watch();
      if (this.heeded !== this.heeds()) void this.tell().catch(() => undefined);
    });
  }

  /** Subscribes again: the push service has ended the subscription, or could not be reached before. */
  async renew(): Promise<void> {
    if (this.preferences.chosen.peek().notify) await this.tell();
  }

  /** Why this computer's relay does not call; null where it does, has yet to answer, or none is to. */
  uncalled(link: Callee): Uncalled | null {
    if (!this.preferences.watch().notify || this.called.value !== "on") return null;
    const key = hex(link.pushKey);
    if (key === "") return link.presence === null ? null : "no_push";
    if (this.key.value !== "" && key !== this.key.value) return "other_key";
    const reason = link.pushTargetKept?.reason ?? Reason.UNSPECIFIED;
    return reason === Reason.UNSPECIFIED ? null : reason;
  }

  /** One run at a time: each goes by what is so when it begins. */
  private async tell(): Promise<void> {
    const mine = this.running.then(async () => this.tellOnce());
    this.running = mine.catch(() => undefined);
    return mine;
  }

  private async tellOnce(): Promise<void> {
    this.heeded = this.heeds();
    this.takeBack();
    const { chosen } = this.preferences;
    const when = whenOf(chosen.peek());
    const links = this.links().filter(({ pushKey }) => pushKey.length > 0);
    const at = await this.subscribed(chosen.peek().notify, links);
    if (at === "out of reach") return; // what was said before may hold
    this.key.value = at?.key ?? "";
    for (const link of links) {
      const isThere = at !== null && hex(link.pushKey) === at.key;
      const saying = isThere ? JSON.stringify([at.target.endpoint, when]) : "";
      if ((this.said.get(link) ?? "") === saying) continue;
      this.said.set(link, saying);
      await link.callAt({ ...(isThere ? at.target : NOWHERE), ...when });
    }
  }

  /** Has a subscription, or none where none is wanted; and says what came of that. */
  private async subscribed(notify: boolean, links: readonly Callee[]): Promise<Subscribed | null | "out of reach"> {
    if (!notify) {
      await this.unsubscribe();
      this.called.value = "off";
      return null;
    }
    if (links.length === 0) return "out of reach";
    if (!this.browser.allowed) {
      this.called.value = "denied";
      return null;
    }
    const manager = (await this.browser.ready())?.pushManager;
    const at = manager === undefined ? null : await subscription(manager, links.map(({ pushKey }) => pushKey));
    this.called.value = at === null ? "no_service" : "on";
    if (at === null) this.comeBack();
    else this.againMs = AGAIN_MS;
    return at ?? "out of reach";
  }

  /** Tries again by itself after a while: nothing else may happen that a run goes by. */
  private comeBack(): void {
    this.takeBack = this.time.after(this.againMs, () => {
      this.againMs = Math.min(this.againMs * 2, LONGEST_AGAIN_MS); // here: a choice or a network that came back is no wait that was in vain
      void this.renew().catch(() => undefined);
    });
  }

  private async unsubscribe(): Promise<void> {
    await (await (await this.registration())?.pushManager.getSubscription())?.unsubscribe();
  }

  /** What a run goes by, written down. */
  private heeds(): string {
    const { notify, ...chosen } = this.preferences.chosen.peek();
    return JSON.stringify([notify, whenOf(chosen), this.links().map(({ id, pushKey }) => [id, hex(pushKey)])]);
  }

  private async clear(which: (of: { pairing?: string; bound?: unknown }) => boolean): Promise<void> {
    for (const one of (await (await this.registration())?.getNotifications()) ?? []) {
      if (which((one.data ?? {}) as { pairing?: string; bound?: unknown })) one.close();
    }
  }

  private async registration(): ReturnType<Caller["registration"]> {
    return this.browser.supported ? this.browser.registration() : null;
  }
}

function whenOf({ quiet, quietFrom, quietTo, questionsRing, language }: Omit<Chosen, "notify">): When {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const hours = quiet && quietFrom !== quietTo ? { quiet: { timeZone, fromMinute: quietFrom, toMinute: quietTo, questionsRing } } : {};
  return { ...hours, language: language || navigator.language };
}

/** Gives the subscription, and its key: the one that it has while a relay has that, else the first's. Null when the push service can't be reached or does not want to. */
async function subscription(manager: PushManager, keys: readonly Bytes[]): Promise<Subscribed | null> {
  try {
    const old = await manager.getSubscription();
    const oldKey = old?.options.applicationServerKey instanceof ArrayBuffer ? new Uint8Array(old.options.applicationServerKey) : EMPTY;
    const kept = keys.some((key) => hex(key) === hex(oldKey));
    const key = kept ? oldKey : (keys[0] ?? EMPTY);
    if (old !== null && !kept) await old.unsubscribe();
    const now = kept && old !== null ? old : await manager.subscribe({ userVisibleOnly: true, applicationServerKey: solid(key) });
    const [p256dh, auth] = [now.getKey("p256dh"), now.getKey("auth")];
    if (p256dh === null || auth === null) return null;
    return { key: hex(key), target: { endpoint: now.endpoint, p256dh: new Uint8Array(p256dh), auth: new Uint8Array(auth) } };
  } catch {
    return null;
  }
}

/** This browser. */
const HERE: Caller = {
  get supported() { return "serviceWorker" in navigator && "PushManager" in window && "Notification" in window; },
  mayCall: async () => (await Notification.requestPermission()) === "granted",
  get allowed() { return Notification.permission === "granted"; },
  registration: async () => (await navigator.serviceWorker.getRegistration()) ?? null,
  ready: async () => Promise.race([navigator.serviceWorker.ready, new Promise<null>((resolve) => { clock.after(READY_MS, () => { resolve(null); }); })]),
};
