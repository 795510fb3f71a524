/**
 * The published vectors against what this code is made of: Noise, the curves and the AEAD.
 *
 * Each test says how many vectors it ran: a file that lost half of them would otherwise pass.
 */

import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { expect, it } from "vitest";

import { type Bytes, EMPTY, hex } from "../../src/protocol/bytes.js";
import { dhKey } from "../../src/protocol/memory_keys.js";
import { Handshake, NoiseError } from "../../src/protocol/noise.js";
import { verify } from "../../src/protocol/signatures.js";
import { published, raw } from "../support/vectors.js";

interface NoiseVector {
  protocol_name: string;
  messages: { payload: string; ciphertext: string }[];
  handshake_hash: string;
  [field: string]: unknown;
}

const noise = published<{ vectors: NoiseVector[] }>("noise_cacophony_25519.json");

function side(vector: NoiseVector, who: "init" | "resp"): Handshake {
  const field = (name: string): Bytes | undefined => {
    const value = vector[`${who}_${name}`];
    return typeof value === "string" ? raw(value) : undefined;
  };
  const s = field("static");
  return new Handshake(vector.protocol_name, {
    initiator: who === "init",
    rng: () => field("ephemeral") ?? EMPTY,
    prologue: field("prologue") ?? EMPTY,
    s: s && dhKey(s),
    rs: field("remote_static"),
    psks: ((vector[`${who}_psks`] ?? []) as string[]).map(raw),
  });
}

/** Seals a message behind the handshake, which Dispatch itself never does with Noise's keys. */
function transport(key: Bytes, n: number, text: Bytes): Bytes {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setBigUint64(4, BigInt(n), true);
  return chacha20poly1305(key, nonce).encrypt(text);
}

async function check(vector: NoiseVector): Promise<void> {
  const [init, resp] = [side(vector, "init"), side(vector, "resp")];
  const oneWay = /^Noise_[NKX](psk|_)/.test(vector.protocol_name);
  const sent = [0, 0];
  for (const [number, message] of vector.messages.entries()) {
    const [text, wire] = [raw(message.payload), raw(message.ciphertext)];
    const writer = oneWay ? 0 : number % 2;
    if (init.done) {
      const { k1, k2 } = init.split();
      expect(hex(transport(writer === 0 ? k1 : k2, sent[writer] ?? 0, text))).toBe(message.ciphertext);
      sent[writer] = (sent[writer] ?? 0) + 1;
    } else {
      expect(hex(await (writer === 0 ? init : resp).write(text))).toBe(message.ciphertext);
      expect(hex(await (writer === 0 ? resp : init).read(wire))).toBe(message.payload);
    }
  }
  expect(resp.split()).toEqual(init.split());
  expect(hex(init.split().h)).toBe(vector.handshake_hash);
  expect(sent[0]).toBeGreaterThan(0);
}

// ChaChaPoly and SHA256 only: a phone needs no other suite, and the Python code runs those of all suites through the same patterns.
it.skipIf(noise === null)("noise cacophony: all fundamental and psk patterns of the suite", async () => {
  let ran = 0;
  for (const vector of noise?.vectors ?? []) {
    const [, pattern = "", , cipher, digest] = vector.protocol_name.split("_");
    if (cipher !== "ChaChaPoly" || digest !== "SHA256") continue;
    if (pattern.replace(/psk.*/, "").includes("1")) {
      expect(() => side(vector, "init")).toThrow(NoiseError); // the deferred patterns, which nothing here uses
      continue;
    }
    await check(vector);
    ran++;
  }
  expect(ran).toBe(36);
});

interface Wycheproof {
  testGroups: { tests: Record<string, string>[]; publicKey?: { pk: string } }[];
}

const x25519 = published<Wycheproof>("wycheproof_x25519.json");
it.skipIf(x25519 === null)("wycheproof x25519: shared secrets of zeros are refused", async () => {
  const results = { agreed: 0, refused: 0 };
  for (const test of x25519?.testGroups.flatMap((group) => group.tests) ?? []) {
    const [key, theirs] = [dhKey(raw(test["private"] ?? "")), raw(test["public"] ?? "")];
    if (/^0*$/.test(test["shared"] ?? "")) {
      await expect(key.agree(theirs)).rejects.toThrow();
      // The same through a handshake: its first message is refused.
      const handshake = new Handshake("Noise_NK_25519_ChaChaPoly_SHA256", {
        initiator: true, rng: (length) => new Uint8Array(length).fill(101), prologue: EMPTY, rs: theirs,
      });
      await expect(handshake.write()).rejects.toThrow(NoiseError);
      results.refused++;
    } else {
      expect(hex(await key.agree(theirs))).toBe(test["shared"]);
      results.agreed++;
    }
  }
  expect(results.refused).toBe(31);
  expect(results.agreed).toBeGreaterThanOrEqual(264);
});

const ed25519 = published<Wycheproof>("wycheproof_ed25519.json");
it.skipIf(ed25519 === null)("wycheproof ed25519", () => {
  const results: Record<string, number> = {};
  for (const group of ed25519?.testGroups ?? []) {
    for (const test of group.tests) {
      const good = verify(raw(group.publicKey?.pk ?? ""), raw(test["sig"] ?? ""), raw(test["msg"] ?? ""));
      expect(good, `test ${test["tcId"] ?? ""}`).toBe(test["result"] === "valid");
      results[test["result"] ?? ""] = (results[test["result"] ?? ""] ?? 0) + 1;
    }
  }
  expect(results).toEqual({ valid: 88, invalid: 63 });
});

const chacha = published<Wycheproof>("wycheproof_chacha20_poly1305.json");
it.skipIf(chacha === null)("wycheproof chacha20-poly1305", () => {
  const results: Record<string, number> = {};
  for (const test of chacha?.testGroups.flatMap((group) => group.tests) ?? []) {
    const field = (name: string): Bytes => raw(test[name] ?? "");
    const [text, box] = [field("msg"), raw((test["ct"] ?? "") + (test["tag"] ?? ""))];
    const cipher = () => chacha20poly1305(field("key"), field("iv"), field("aad"));
    if (test["result"] === "valid") {
      expect(hex(cipher().encrypt(text))).toBe(hex(box));
      expect(hex(cipher().decrypt(box))).toBe(test["msg"]);
    } else {
      expect(() => cipher().decrypt(box)).toThrow();
    }
    results[test["result"] ?? ""] = (results[test["result"] ?? ""] ?? 0) + 1;
  }
  expect(results["valid"]).toBe(256);
  expect(results["invalid"]).toBeGreaterThanOrEqual(60);
});
