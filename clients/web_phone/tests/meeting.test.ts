/** Pairing over a service: whatever goes wrong ends in one Refused, and the service hears that the offer is ended. The host is tests/vectors. */

import { createRouterTransport } from "@connectrpc/connect";
import { ed25519 } from "@noble/curves/ed25519.js";
import { expect, it } from "vitest";

import type { Bytes } from "../src/protocol/bytes.js";
import { Reason } from "../src/protocol/dispatch/api/error/v1/error_pb.js";
import { PairingService } from "../src/protocol/dispatch/api/pairing/v1/pairing_pb.js";
import type { Keys } from "../src/protocol/keys.js";
import { dhKey } from "../src/protocol/memory_keys.js";
import { readLink } from "../src/protocol/pairing/link.js";
import { meet, type Meeting } from "../src/protocol/pairing/meeting.js";
import { draws, own, raw } from "./support/vectors.js";
import { Hand } from "./support/stream.js";

const { offer, phone, steps } = own<Record<"offer" | "phone" | "steps", Record<string, string>>>("pairing.json");
const seed = raw(phone["ed25519_private"] ?? "");
const ownX25519 = dhKey(raw(phone["x25519_private"] ?? ""));

/** A service that has an offer, whose host says its steps up to the sixth and then waits. Notes what is called. */
function service(called: string[]): Meeting["transport"] {
  return createRouterTransport(({ service: serve }) => {
    serve(PairingService, {
      claimOffer: () => { called.push("claim"); return {}; },
      sendStep: ({ step }) => { called.push(`step ${step}`); return {}; },
      endOffer: ({ reason }) => { called.push(`end ${Reason[reason]}`); return {}; },
      async *followOffer(_, { signal }) {
        for (const step of [2, 4, 6]) yield { event: { case: "step" as const, value: { step, payload: raw(steps[step] ?? "") } } };
        await new Promise((over) => { signal.addEventListener("abort", over, { once: true }); });
      },
    });
  });
}

async function meeting(called: string[], so: Partial<Pick<Meeting, "person" | "commit">> & { makeDhKey?: Keys["makeDhKey"] }): Promise<unknown> {
  const keys: Keys = {
    signingKey: ed25519.getPublicKey(seed),
    sign: async (message: Bytes) => Promise.resolve(ed25519.sign(message, seed)),
    makeDhKey: so.makeDhKey ?? (async () => Promise.resolve(ownX25519)),
  };
  return meet({
    code: readLink(offer["link"] ?? ""), name: phone["name"] ?? "", keys, clock: new Hand(), transport: service(called),
    rng: draws(...["kem_seed", "ephemeral", "n_phone", "salt_5", "salt_7"].map((name) => phone[name] ?? "")),
    person: so.person ?? { same: async () => Promise.resolve(true) },
    commit: so.commit ?? (async () => Promise.resolve()),
  }).catch((problem: unknown) => problem);
}

it("a pair that can't be kept is refused, and the host is not left waiting", async () => {
  const called: string[] = [];

  const why = await meeting(called, { commit: async () => Promise.reject(new Error("the disk is full")) });

  expect(why).toMatchObject({ reason: Reason.STORE_FAILED });
  expect(called).toEqual(["claim", "step 1", "step 3", "step 5", "end STORE_FAILED"]);
});

it("what nobody thought of is one refusal, too, and ends the offer", async () => {
  const called: string[] = [];

  const why = await meeting(called, { person: { same: async () => Promise.reject(new TypeError("no screen")) } });

  expect(why).toMatchObject({ reason: Reason.INTERNAL, detail: "TypeError" });
  expect(called.at(-1)).toBe("end INTERNAL");
});

it("a phone that can't make its key claims nothing", async () => {
  const called: string[] = [];

  const why = await meeting(called, { makeDhKey: async () => Promise.reject(new Error("no keys")) });

  expect([(why as { reason: Reason }).reason, called]).toEqual([Reason.INTERNAL, []]);
});
