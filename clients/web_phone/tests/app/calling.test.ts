/** Being called: one subscription, told to relays once; what can't call is said; and nothing is left of it for who has gone. */

import { create } from "@bufbuild/protobuf";
import { type Signal, signal } from "@preact/signals";
import { beforeEach, expect, it } from "vitest";

import { AGAIN_MS, type Callee, type Caller, Calling } from "../../src/app/model/calling.js";
import { Preferences } from "../../src/ground/preferences.js";
import { type Bytes, EMPTY } from "../../src/protocol/bytes.js";
import { Reason } from "../../src/protocol/dispatch/api/error/v1/error_pb.js";
import { PresenceSchema, type PushTargetKept, PushTargetKeptSchema } from "../../src/protocol/dispatch/api/relay/v1/relay_pb.js";
import { Hand, until } from "../support/stream.js";

const [ONE, OTHER] = [Uint8Array.of(1), Uint8Array.of(2)];

/** A computer at a relay with that key. Like a line, it changes whenever it is told something. */
class Computer implements Callee {
  readonly told: string[] = [];
  readonly presence = create(PresenceSchema);
  readonly changed: Signal<number> = signal(0);
  pushTargetKept: PushTargetKept | null = null;

  constructor(
    readonly id: string,
    public pushKey: Bytes,
  ) {}

  watch(): number {
    return this.changed.value;
  }

  touch(): void {
    this.changed.value++;
  }

  async callAt({ endpoint = "" }: { endpoint?: string }): Promise<void> {
    this.told.push(endpoint);
    this.touch();
    return Promise.resolve();
  }

  answers(reason = Reason.UNSPECIFIED): void {
    this.pushTargetKept = create(PushTargetKeptSchema, { reason });
    this.touch();
  }
}

/** A browser with a push service: what was subscribed to, and the notifications that it shows. */
class Browser implements Caller {
  readonly supported = true;
  allowed = true;
  reachable = true;
  subscriptions = 0;
  tries = 0;
  own: { endpoint: string; options: { applicationServerKey: ArrayBuffer }; getKey(): ArrayBuffer; unsubscribe(): Promise<boolean> } | null = null;
  shown: { data: unknown; close(): void }[] = [];

  mayCall = async (): Promise<boolean> => Promise.resolve(this.allowed);

  registration = async (): ReturnType<Caller["registration"]> => Promise.resolve({
    pushManager: {
      getSubscription: async () => Promise.resolve(this.own),
      subscribe: async ({ applicationServerKey }: { applicationServerKey: Bytes }) => {
        this.tries++;
        if (!this.reachable) throw new Error("no push service");
        this.own = {
          endpoint: `https://push.example/${++this.subscriptions}`, options: { applicationServerKey: Uint8Array.from(applicationServerKey).buffer },
          getKey: () => new ArrayBuffer(1), unsubscribe: async () => { this.own = null; return Promise.resolve(true); },
        };
        return Promise.resolve(this.own);
      },
    },
    getNotifications: async () => Promise.resolve([...this.shown]),
  } as never);

  ready = this.registration;

  shows(...all: { pairing: string; bound: unknown }[]): void {
    this.shown = all.map((data) => {
      const one = { data, close: (): void => { this.shown = this.shown.filter((other) => other !== one); } };
      return one;
    });
  }
}

let browser: Browser;
let preferences: Preferences;
let clock: Hand;
beforeEach(() => {
  clock = new Hand();
  browser = new Browser();
  preferences = new Preferences();
  preferences.choose({ language: "en" });
});

function calling(...computers: Computer[]): Calling {
  const made = new Calling(preferences, () => computers, browser, clock);
  made.watch();
  return made;
}

it("two relays with two keys lead to one subscription; the one that can't call is named", async () => {
  const [desk, attic] = [new Computer("desk", ONE), new Computer("attic", OTHER)];
  const made = calling(desk, attic);

  await made.turnOn();
  for (let time = 0; time < 5; time++) for (const one of [desk, attic]) one.touch();
  await made.renew();

  expect([browser.subscriptions, desk.told, attic.told]).toEqual([1, ["https://push.example/1"], []]);
  expect([made.called.value, made.uncalled(desk), made.uncalled(attic)]).toEqual(["on", null, "other_key"]);
});

it("a relay that changes its key has no other say than one new subscription", async () => {
  const desk = new Computer("desk", ONE);
  const made = calling(desk);
  await made.turnOn();

  desk.pushKey = OTHER;
  desk.touch();

  await until(() => desk.told.length === 2);
  await made.renew();
  expect([browser.subscriptions, desk.told]).toEqual([2, ["https://push.example/1", "https://push.example/2"]]);
});

it("what a relay answers stands beside its computer, and so does one that has no notifications", async () => {
  const [desk, attic] = [new Computer("desk", ONE), new Computer("attic", EMPTY)];
  const made = calling(desk, attic);
  await made.turnOn();
  expect([made.uncalled(desk), made.uncalled(attic)]).toEqual([null, "no_push"]);

  desk.answers(Reason.BAD_REQUEST);

  expect(made.uncalled(desk)).toBe(Reason.BAD_REQUEST);
  desk.answers();
  expect(made.uncalled(desk)).toBeNull();
});

it("a push service that could not be reached is tried again, and what came of it is said", async () => {
  const desk = new Computer("desk", ONE);
  const made = calling(desk);
  browser.reachable = false;
  await made.turnOn();
  expect([made.called.value, desk.told]).toEqual(["no_service", []]);

  browser.reachable = true;
  await made.renew();

  expect([made.called.value, desk.told]).toEqual(["on", ["https://push.example/1"]]);
});

it("a push service that could not be reached is tried again by itself, each time after twice as long", async () => {
  const desk = new Computer("desk", ONE);
  const made = calling(desk);
  browser.reachable = false;
  await made.turnOn();
  const { tries } = browser;
  clock.move(AGAIN_MS);
  await until(() => browser.tries > tries && clock.waiting === 1);
  clock.move(2 * AGAIN_MS - 1);
  expect(clock.waiting).toBe(1);

  browser.reachable = true;
  clock.move(1);

  await until(() => desk.told.length === 1);
  expect([made.called.value, desk.told, clock.waiting]).toEqual(["on", ["https://push.example/1"], 0]);
});

it("a worker that was not ready is waited for again", async () => {
  const desk = new Computer("desk", ONE);
  const made = calling(desk);
  browser.ready = async () => Promise.resolve(null as never);
  await made.turnOn();
  expect(made.called.value).toBe("no_service");

  browser.ready = browser.registration;
  clock.move(AGAIN_MS);

  await until(() => desk.told.length === 1);
});

it("who no longer wants to be called, or has left, has no push service tried", async () => {
  const made = calling(new Computer("desk", ONE));
  browser.reachable = false;
  await made.turnOn();
  expect(clock.waiting).toBe(1);

  await made.turnOff();
  expect(clock.waiting).toBe(0);

  await made.turnOn();
  await made.silence();
  expect(clock.waiting).toBe(0);
});

it("a page that starts where the person has taken their leave back says so", async () => {
  preferences.choose({ notify: true });
  browser.allowed = false;
  const made = calling(new Computer("desk", ONE));

  await until(() => made.called.value === "denied");
});

it("a subscription that ended is made anew, and told", async () => {
  const desk = new Computer("desk", ONE);
  const made = calling(desk);
  await made.turnOn();
  browser.own = null; // by the push service

  await made.renew();

  expect(desk.told).toEqual(["https://push.example/1", "https://push.example/2"]);
});

it("whoever turns it off is told to nobody any more", async () => {
  const desk = new Computer("desk", ONE);
  const made = calling(desk);
  await made.turnOn();

  await made.turnOff();

  expect([browser.own, desk.told.at(-1), made.called.value]).toEqual([null, "", "off"]);
});

it("who has left is called no more, and no notification stays with words in it", async () => {
  const desk = new Computer("desk", ONE);
  const made = calling(desk);
  await made.turnOn();
  browser.shows({ pairing: "desk", bound: null }, { pairing: "attic", bound: { task: "1", question: "2" } });

  await made.showQuestions(false);
  expect(browser.shown.map(({ data }) => data)).toEqual([{ pairing: "desk", bound: null }]);
  await made.silence();

  expect([browser.own, browser.shown]).toEqual([null, []]);
});
