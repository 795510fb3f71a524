/** The phone's end of a session: what opens, once, and what does not. */

import { beforeEach, expect, it } from "vitest";

import { type Bytes, EMPTY } from "../src/protocol/bytes.js";
import { open, seal } from "../src/protocol/sealed/chain.js";
import { SealError } from "../src/protocol/sealed/errors.js";
import { NO_HEAD } from "../src/protocol/sealed/head.js";
import { Arrivals, eventHash } from "../src/protocol/sealed/history.js";
import { openKeep, prune } from "../src/protocol/sealed/keep.js";
import { HANDSHAKE_LIMIT_MS, NoSession, PhoneSession, RENEW_AFTER_MS } from "../src/protocol/sealed/session.js";
import { counted, Host, makePair } from "./support/host.js";

let phone: PhoneSession;
let host: Host;
let pair: ReturnType<typeof makePair>;
beforeEach(() => {
  pair = makePair();
  phone = new PhoneSession(pair.phone, counted("phone"));
  host = new Host(pair.host, pair.hostSeed);
});

const start = async (nowMs = 0): Promise<Bytes> => host.answer(await phone.start(EMPTY, NO_HEAD, nowMs));

it("a new page can neither seal nor open before a handshake", () => {
  expect(() => phone.sealCommand(EMPTY)).toThrow(NoSession);
  expect(() => phone.sealLive(EMPTY)).toThrow(NoSession);
  expect(phone.openLive(EMPTY)).toBe("UNKNOWN_EPOCH");
});

it("message 2 with any byte changed is ignored, and the true one still fits, once", async () => {
  const message2 = await start();
  for (let at = 0; at < message2.length; at += 97) {
    expect(await phone.finish(message2.map((byte, i) => (i === at ? byte ^ 1 : byte)), 0)).toBeNull();
  }
  expect(await phone.finish(message2, 0)).not.toBeNull();
  expect(await phone.finish(message2, 0)).toBeNull();
});

it("message 2 must fit the one open handshake, within five seconds", async () => {
  const first = await start();
  const second = await start();
  expect(await phone.finish(first, 0)).toBeNull();
  expect(await phone.finish(second, HANDSHAKE_LIMIT_MS + 1)).toBeNull();
  expect(await phone.finish(second, 0)).toBeNull();
});

it("a frame opens once, and gaps are normal", async () => {
  await phone.finish(await start(), 0);
  host.hears(phone.sealLive(EMPTY));
  const frames = [1, 2, 3].map(() => host.says());
  expect(phone.openLive(frames[1] ?? EMPTY)).toEqual(EMPTY);
  expect(frames.map((frame) => phone.openLive(frame))).toEqual(["TOO_OLD", "TOO_OLD", EMPTY]);
});

it("a chain that came back from a backup gives other bytes for the same place", async () => {
  const begun = await phone.finish(await start(), 0);
  if (begun === null) throw new Error("no session");
  const rng = counted("salts");
  const [one, two] = [seal(begun.keepChain, EMPTY, rng), seal(begun.keepChain, EMPTY, rng)];
  expect(one.sealed).not.toEqual(two.sealed);
  expect(open(begun.keepChain, two.sealed).body).toEqual(EMPTY);
});

it("the epoch clock counts from when message 2 was received, and a session is renewed after a day", async () => {
  await phone.finish(await start(100), 500);
  expect([phone.epochMs(1_500), phone.deadlineMs(1_500, 10_000)]).toEqual([1_000, 11_000]);
  expect([phone.renewalInMs(500), phone.renewalInMs(500 + RENEW_AFTER_MS)]).toEqual([RENEW_AFTER_MS, 0]);
});

it("message 2 says which keep chains stay", async () => {
  const chains = [];
  for (let i = 0; i < 6; i++) {
    const begun = await phone.finish(await start(), 0);
    if (begun !== null) chains.push(begun.keepChain);
  }
  const [a, b, c, d, e, f] = chains;
  if (!a || !b || !c || !d || !e || !f) throw new Error("no sessions");
  expect(prune([a, b, c, d], b.epoch, f)).toEqual([a, b, f]);
  expect(prune([a, b, c, d, e], e.epoch, f)).toEqual([c, d, e, f]);
  expect(prune([a, b, c, d], null, f)).toEqual([b, c, d, f]);
  const row = seal(c, EMPTY, counted("row")).sealed;
  expect(openKeep(row, [a, b, c, d]).chains.map(({ epoch }) => epoch)).toEqual([c.epoch, d.epoch]);
  expect(() => openKeep(row, [a, b])).toThrow(SealError);
});

it("in whatever order and however often events come they leave in order and once", () => {
  const entries: { number: bigint; previous: Bytes; event: Bytes }[] = [];
  let head = NO_HEAD;
  for (let n = 1; n <= 12; n++) {
    const event = Uint8Array.of(n);
    entries.push({ number: BigInt(n), previous: head.hash, event });
    head = { number: BigInt(n), hash: eventHash(head.hash, event) };
  }
  const rng = counted("order");
  const arrivals = new Arrivals(NO_HEAD);
  const left: bigint[] = [];
  while (arrivals.head.number < 12n) {
    const entry = entries[(rng(1)[0] ?? 0) % 12];
    if (entry === undefined) continue;
    const forged = { ...entry, previous: Uint8Array.from(entry.previous, (byte) => byte ^ 1), event: rng(8) }; // as before a host was set back
    left.push(...arrivals.take((rng(1)[0] ?? 0) % 3 === 0 ? forged : entry).linked.map(({ number }) => number));
  }
  expect(left).toEqual(entries.map(({ number }) => number));
  expect(arrivals.head).toEqual(head);
});
