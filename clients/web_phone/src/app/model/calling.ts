/** Web Push from the page's side: subscribes with the relay's key, and tells each host's relay where and when this phone is called. docs/push.md. */

import { effect } from "@preact/signals";

import type { Preferences } from "../../ground/preferences.js";
import { EMPTY, hex, solid } from "../../protocol/bytes.js";
import { isOf } from "../../worker/notice.js";
import type { Link } from "./link.js";

/** What came of wanting to be called. */
export type Called = "off" | "on" | "denied" | "unsupported" | "no_service";

/** Keeps the relays told. */
export class Calling {
  private readonly said = new WeakMap<Link, string>(); // what each was given last; it says so until its relay has answered
  private watching = false;

  constructor(
    private readonly preferences: Preferences,
    private readonly links: () => readonly Link[],
  ) {}

  /** Whether a browser can do this at all. */
  get supported(): boolean {
    return "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
  }

  /** Asks the person's leave and subscribes. Call it from a person's click. */
  async turnOn(): Promise<Called> {
    if (!this.supported) return "unsupported";
    if ((await Notification.requestPermission()) !== "granted") return "denied";
    this.preferences.choose({ notify: true });
    return (await this.tell()) ? "on" : "no_service";
  }

  /** Calls no more. */
  async turnOff(): Promise<Called> {
    this.preferences.choose({ notify: false });
    const worker = await navigator.serviceWorker.getRegistration();
    await (await worker?.pushManager.getSubscription())?.unsubscribe();
    await this.tell();
    return "off";
  }

  /** Takes away what a notification said of a pairing whose thread is looked at. */
  async seen(pairing: string): Promise<void> {
    const worker = "serviceWorker" in navigator ? await navigator.serviceWorker.getRegistration() : undefined;
    const shown = (await worker?.getNotifications()) ?? [];
    for (const one of shown) if (isOf(one.tag, pairing, true) || isOf(one.tag, pairing, false)) one.close();
  }

  /** Tells relays when there is something new to tell: after a stream opened, after a choice. */
  watch(): void {
    if (this.watching || !this.supported) return;
    this.watching = true;
    effect(() => {
      for (const link of this.links()) link.watch();
      this.preferences.watch();
      void this.tell().catch(() => undefined);
    });
  }

  /** Gives whether a browser's push service took this phone. */
  private async tell(): Promise<boolean> {
    const { notify, quiet, quietFrom, quietTo, questionsRing, language } = this.preferences.chosen.peek();
    let subscribed = false;
    for (const link of this.links()) {
      if (link.pushKey.length === 0 || (!notify && !this.said.has(link))) continue;
      const target = notify ? await subscription(link.pushKey) : NOWHERE;
      if (target === null) continue;
      subscribed = true;
      const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
      const hours = quiet && quietFrom !== quietTo ? { quiet: { timeZone, fromMinute: quietFrom, toMinute: quietTo, questionsRing } } : {};
      const more = { ...hours, language: language || navigator.language };
      const saying = JSON.stringify([target.endpoint, more]);
      if (this.said.get(link) === saying) continue;
      this.said.set(link, saying);
      await link.callAt({ ...target, ...more });
    }
    return subscribed;
  }
}

const NOWHERE = { endpoint: "", p256dh: EMPTY, auth: EMPTY };

/** Gives this browser's subscription for a relay's key; null when its push service can't be reached or does not want to. */
async function subscription(key: Uint8Array): Promise<typeof NOWHERE | null> {
  try {
    const { pushManager } = await navigator.serviceWorker.ready;
    const old = await pushManager.getSubscription();
    const oldKey = old?.options.applicationServerKey;
    const sameKey = oldKey instanceof ArrayBuffer && hex(new Uint8Array(oldKey)) === hex(key);
    if (old !== null && !sameKey) await old.unsubscribe();
    const now = sameKey && old !== null ? old : await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: solid(key) });
    const [p256dh, auth] = [now.getKey("p256dh"), now.getKey("auth")];
    return p256dh === null || auth === null ? null : { endpoint: now.endpoint, p256dh: new Uint8Array(p256dh), auth: new Uint8Array(auth) };
  } catch {
    return null;
  }
}
