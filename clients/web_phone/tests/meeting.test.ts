/** Pairing over a service: whatever goes wrong ends in one Refused, and the service hears that the offer is ended. The host is tests/vectors. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { ed25519 } from "@noble/curves/ed25519.js";
import { expect, it } from "vitest";

import { type Bytes, EMPTY } from "../src/protocol/bytes.js";
import { Reason } from "../src/protocol/dispatch/api/error/v1/error_pb.js";
import { type FollowOfferResponseSchema, PairingService } from "../src/protocol/dispatch/api/pairing/v1/pairing_pb.js";
import type { Keys } from "../src/protocol/keys.js";
import { dhKey } from "../src/protocol/memory_keys.js";
import { readLink } from "../src/protocol/pairing/link.js";
import { CONFIRM_MS, meet, type Meeting, RETRY_MS } from "../src/protocol/pairing/meeting.js";
import { proven } from "../src/protocol/pairing/proven.js";
import { deviceId } from "../src/protocol/proof.js";
import { draws, own, raw } from "./support/vectors.js";
import { Hand, until } from "./support/stream.js";

const { offer, phone, steps } = own<Record<"offer" | "phone" | "steps", Record<string, string>>>("pairing.json");
const seed = raw(phone["ed25519_private"] ?? "");
const ownX25519 = dhKey(raw(phone["x25519_private"] ?? ""));

const keys: Keys = {
  signingKey: ed25519.getPublicKey(seed),
  sign: async (message: Bytes) => Promise.resolve(ed25519.sign(message, seed)),
  makeDhKey: async () => Promise.resolve(ownX25519),
};

/**
 * A service that has an offer, and a host that says each step once the one before is there, up to `last`. Notes what is called, and may be
 * made to fail: before it takes a step, or so that only its answer is lost.
 */
class Service {
  readonly called: string[] = [];
  /** The host's last step; 6 while its person has not said yes. */
  last = 6;
  /** Steps that don't arrive, and those whose answer does not; once each. */
  readonly lost = new Set<number>();
  readonly unanswered = new Set<number>();
  /** From this step on nobody is there. */
  awayFrom = 9;
  /** The pair is complete: the host's last step is not told any more. */
  complete = false;
  private away = false;
  private readonly left = new Set<number>();

  readonly transport: Meeting["transport"] = proven(createRouterTransport(({ service: serve }) => {
    serve(PairingService, {
      claimOffer: () => { this.says("claim"); return {}; },
      sendStep: ({ step }) => { this.take(step); return {}; },
      endOffer: ({ reason }) => { this.says(`end ${Reason[reason]}`); return {}; },
      followOffer: (_, { signal }) => this.follow(signal),
    });
  }), { address: "https://pair.example", deviceId: deviceId(keys.signingKey), sign: keys.sign, session: () => EMPTY });

  private says(what: string): void {
    this.called.push(what);
    if (this.away) throw new ConnectError("nobody there", Code.Unavailable);
  }

  private take(step: number): void {
    this.away ||= step >= this.awayFrom;
    this.says(`step ${step}`);
    const isLost = this.lost.delete(step);
    if (!isLost) this.left.add(step);
    if (isLost || this.unanswered.delete(step)) throw new ConnectError("the line broke", Code.Unavailable);
  }

  private async *follow(signal: AbortSignal): AsyncGenerator<MessageInitShape<typeof FollowOfferResponseSchema>> {
    for (const step of [2, 4, 6, 8]) {
      await until(() => signal.aborted || this.complete || (this.left.has(step - 1) && step <= this.last));
      if (signal.aborted) return;
      if (this.complete) {
        yield { event: { case: "ended", value: {} } };
        return;
      }
      yield { event: { case: "step", value: { step, payload: raw(steps[step] ?? "") } } };
    }
  }
}

type How = Partial<Pick<Meeting, "clock" | "commit" | "person">> & { makeDhKey?: Keys["makeDhKey"] };

async function meeting(service: Service, { makeDhKey, ...how }: How): Promise<unknown> {
  return meet({
    code: readLink(offer["link"] ?? ""), name: phone["name"] ?? "", keys: { ...keys, ...(makeDhKey && { makeDhKey }) }, clock: new Hand(), transport: service.transport,
    rng: draws(...["kem_seed", "ephemeral", "n_phone", "salt_5", "salt_7"].map((name) => phone[name] ?? "")),
    person: { same: async () => Promise.resolve(true) },
    commit: async () => Promise.resolve(),
    ...how,
  }).catch((problem: unknown) => problem);
}

/** Lets the time until the next try pass, once something waits for it beside the ceremony's own end. */
async function passRetry(clock: Hand): Promise<void> {
  await until(() => clock.waiting > 1);
  clock.move(RETRY_MS);
}

it("a pair that can't be kept is refused, and the host is not left waiting", async () => {
  const service = new Service();

  const why = await meeting(service, { commit: async () => Promise.reject(new Error("the disk is full")) });

  expect(why).toMatchObject({ reason: Reason.STORE_FAILED });
  expect(service.called).toEqual(["claim", "step 1", "step 3", "step 5", "end STORE_FAILED"]);
});

it("what nobody thought of is one refusal, too, and ends the offer", async () => {
  const service = new Service();

  const why = await meeting(service, { person: { same: async () => Promise.reject(new TypeError("no screen")) } });

  expect(why).toMatchObject({ reason: Reason.INTERNAL, detail: "TypeError" });
  expect(service.called.at(-1)).toBe("end INTERNAL");
});

it("a phone that can't make its key claims nothing", async () => {
  const service = new Service();

  const why = await meeting(service, { makeDhKey: async () => Promise.reject(new Error("no keys")) });

  expect([(why as { reason: Reason }).reason, service.called]).toEqual([Reason.INTERNAL, []]);
});

it.each([1, 3, 5, 7])("step %i is left again when it was lost, until the service has it", async (step) => {
  const [service, clock] = [new Service(), new Hand()];
  service.lost.add(step);
  service.last = 8;

  const met = meeting(service, { clock });
  await passRetry(clock);

  expect(await met).toMatchObject({ peerName: expect.any(String) as string, hostSignature: expect.any(Uint8Array) as Bytes });
  expect(service.called).toEqual(["claim", ...[1, 3, 5, 7].flatMap((one) => (one === step ? [`step ${one}`, `step ${one}`] : [`step ${one}`]))]);
});

it("a yes whose answer was lost is left again, and the two are paired", async () => {
  const [service, clock, committed] = [new Service(), new Hand(), [] as boolean[]];
  service.unanswered.add(7);

  const met = meeting(service, { clock, commit: async ({ hostSignature }) => { committed.push(hostSignature !== null); return Promise.resolve(); } });
  await passRetry(clock);
  await until(() => service.called.filter((one) => one === "step 7").length === 2);
  service.last = 8;

  expect(await met).toMatchObject({ hostSignature: expect.any(Uint8Array) as Bytes });
  expect(committed).toEqual([false, true]);
});

it("a host that answers a yes whose answer was lost is believed at once", async () => {
  const service = new Service();
  service.unanswered.add(7);
  service.last = 8;

  expect(await meeting(service, {})).toMatchObject({ hostSignature: expect.any(Uint8Array) as Bytes });
});

it("a service that stays away has the time of the ceremony, and then the offer has run out", async () => {
  const [service, clock] = [new Service(), new Hand()];
  service.awayFrom = 3;
  const met = meeting(service, { clock });
  for (let time = 0; time < 3; time++) await passRetry(clock);

  clock.move(CONFIRM_MS);

  expect(await met).toMatchObject({ reason: Reason.OFFER_EXPIRED });
  expect(service.called).toContain("end OFFER_EXPIRED");
});

it("a service that stays away behind a yes leaves open what became of it: no host may have half a pairing", async () => {
  const [service, clock] = [new Service(), new Hand()];
  service.awayFrom = 7;
  const met = meeting(service, { clock });
  for (let time = 0; time < 3; time++) await passRetry(clock);

  clock.move(CONFIRM_MS);

  expect(await met).toMatchObject({ reason: Reason.NO_NETWORK });
});

it("a host that did not say yes in time has the offer run out, and hears so", async () => {
  const [service, clock] = [new Service(), new Hand()];
  const met = meeting(service, { clock });
  await until(() => service.called.includes("step 7"));

  clock.move(CONFIRM_MS);

  expect(await met).toMatchObject({ reason: Reason.OFFER_EXPIRED });
  expect(service.called.at(-1)).toBe("end OFFER_EXPIRED");
});

it("a person who did not answer in time has not said no", async () => {
  const [service, clock] = [new Service(), new Hand()];
  let isAsked = false;
  const met = meeting(service, { clock, person: {
    // Like the app: an end without a word is no yes.
    same: async (_code, _peer, signal) => {
      isAsked = true;
      return new Promise((resolve) => { signal.addEventListener("abort", () => { resolve(false); }); });
    },
  } });
  await until(() => isAsked);

  clock.move(CONFIRM_MS);

  expect(await met).toMatchObject({ reason: Reason.OFFER_EXPIRED });
});

it("a pair that the service has, without the host's last word, waits for the host's first session", async () => {
  const service = new Service();
  const met = meeting(service, {});
  await until(() => service.called.includes("step 7"));

  service.complete = true;

  expect(await met).toMatchObject({ reason: Reason.NO_NETWORK });
  expect(service.called.at(-1)).toBe("step 7");
});
