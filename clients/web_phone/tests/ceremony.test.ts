/** What ends a ceremony: every step of tests/vectors, changed, repeated, and out of order. */

import { ed25519 } from "@noble/curves/ed25519.js";
import { describe, expect, it } from "vitest";

import { utf8 } from "../src/protocol/bytes.js";
import { dhKey } from "../src/protocol/memory_keys.js";
import { CeremonyFailed, PhoneCeremony } from "../src/protocol/pairing/ceremony.js";
import { readLink } from "../src/protocol/pairing/link.js";
import { sealBox } from "../src/protocol/sealed/box.js";
import { counted } from "./support/host.js";
import { draws, own, raw } from "./support/vectors.js";

const vector = own<Record<"offer" | "phone" | "steps" | "derived", Record<string, string>>>("pairing.json");
const { phone, steps } = vector;
const seed = raw(phone["ed25519_private"] ?? "");
const sign = async (message: Uint8Array): Promise<Uint8Array> => Promise.resolve(ed25519.sign(message, seed));
const step = (number: number): Uint8Array => raw(steps[number] ?? "");

/** A ceremony that has had the steps up to this one; the person says yes when it is asked. */
async function upTo(number: number): Promise<PhoneCeremony> {
  const ceremony = new PhoneCeremony({
    code: readLink(vector.offer["link"] ?? ""), ownX25519: dhKey(raw(phone["x25519_private"] ?? "")), ownEd25519: ed25519.getPublicKey(seed), ownName: "Ann's phone",
    rng: draws(...["kem_seed", "ephemeral", "n_phone", "salt_5", "salt_7"].map((name) => phone[name] ?? "")),
  });
  await ceremony.begin();
  for (const one of [2, 4, 6]) if (one <= number) await ceremony.receive(one, step(one));
  if (number >= 7) await ceremony.confirm(sign);
  return ceremony;
}

describe.each([2, 4, 6, 8])("step %i", (number) => {
  it("with a byte changed ends the ceremony", async () => {
    const payload = step(number);
    for (const at of [0, payload.length >> 1, payload.length - 1]) {
      const ceremony = await upTo(number - 1);
      const changed = payload.map((byte, i) => (i === at ? byte ^ 1 : byte));
      await expect(ceremony.receive(number, changed)).rejects.toThrow(CeremonyFailed);
      expect([ceremony.state, ceremony.result, ceremony.code]).toEqual(["FAILED", null, null]);
      await expect(ceremony.receive(number, payload)).rejects.toThrow(CeremonyFailed);
    }
  });

  it("that is cut or longer ends the ceremony", async () => {
    for (const payload of [step(number).slice(1), step(number).slice(0, -1), Uint8Array.from([...step(number), 0]), new Uint8Array(), new Uint8Array(5_000)]) {
      await expect((await upTo(number - 1)).receive(number, payload)).rejects.toThrow(CeremonyFailed);
    }
  });

  it("out of its turn ends the ceremony", async () => {
    for (const other of [1, 2, 3, 4, 5, 6, 7, 8].filter((one) => one !== number)) {
      await expect((await upTo(number - 1)).receive(other, step(other))).rejects.toMatchObject({ why: "OUT_OF_ORDER" });
    }
  });

  it("beside another one ends the ceremony", async () => {
    const ceremony = await upTo(number - 1);
    const both = await Promise.allSettled([ceremony.receive(number, step(number)), ceremony.receive(number, step(number))]);
    expect(both.some(({ status }) => status === "rejected")).toBe(true);
  });
});

/** A step that the host itself seals, whatever it says. */
function said(number: number, content: Uint8Array): Uint8Array {
  const aad = Uint8Array.from([...utf8("dispatch/pair/1"), number]);
  return sealBox(raw(vector.derived["h2p"] ?? ""), aad, content, counted("salt"));
}

it("a host that opens another number than it committed to shows no code", async () => {
  const ceremony = await upTo(4);
  await expect(ceremony.receive(6, said(6, new Uint8Array(32)))).rejects.toMatchObject({ why: "COMMITMENT" });
  expect(ceremony.code).toBeNull();
});

it("a host that signs something else has no pair", async () => {
  const ceremony = await upTo(7);
  await expect(ceremony.receive(8, said(8, new Uint8Array(64)))).rejects.toMatchObject({ why: "SIGNATURE" });
  expect(ceremony.result).toBeNull();
});

it("a no while the key signs ends it: there is no pair", async () => {
  const ceremony = await upTo(6);
  const confirming = ceremony.confirm(async (message) => {
    ceremony.refuse();
    return sign(message);
  });
  await expect(confirming).rejects.toThrow(CeremonyFailed);
  expect(ceremony.result).toBeNull();
});

it("a pair that stands is not undone by what comes afterwards", async () => {
  const ceremony = await upTo(7);
  await ceremony.receive(8, step(8));
  await expect(ceremony.receive(8, step(8))).rejects.toThrow(CeremonyFailed);
  ceremony.refuse();
  expect([ceremony.state, ceremony.result?.peerName]).toEqual(["PAIRED", "Büro"]);
});
