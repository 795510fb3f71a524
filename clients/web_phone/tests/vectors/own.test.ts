/** The project's own vectors: that this code does what the Python code does, byte for byte. */

import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { describe, expect, it } from "vitest";

import { attestation } from "../../src/protocol/attestation.js";
import { type Bytes, hex, u32, utf8 } from "../../src/protocol/bytes.js";
import { enc, messageId } from "../../src/protocol/encoding.js";
import type { FileId, PairId, TransferId } from "../../src/protocol/ids.js";
import { dhKey } from "../../src/protocol/memory_keys.js";
import { NameInvalid, peerName } from "../../src/protocol/names.js";
import { Handshake } from "../../src/protocol/noise.js";
import { PhoneCeremony } from "../../src/protocol/pairing/ceremony.js";
import { claimToken, LinkError, pairPsk, readLink } from "../../src/protocol/pairing/link.js";
import {
  callProofBytes, deviceId, keyId, keySetBytes, mayReplace, streamProofBytes, transferProofBytes, verifyGrant,
} from "../../src/protocol/proof.js";
import { type Chain, chainBytes, open, readChain, seal } from "../../src/protocol/sealed/chain.js";
import { SealError } from "../../src/protocol/sealed/errors.js";
import { CHUNK_BYTES, countOf, FileSeal, type TransferEnd } from "../../src/protocol/sealed/file.js";
import { PhoneHandshake } from "../../src/protocol/sealed/handshake.js";
import { eventHash, headWords, taskWords, verifyHead, verifyTask } from "../../src/protocol/sealed/history.js";
import { derive } from "../../src/protocol/sealed/kdf.js";
import * as kem from "../../src/protocol/sealed/kem.js";
import { draws, own, raw } from "../support/vectors.js";

type Hex = string;
type Fields = Record<string, Hex>;

function publicKey(seed: Hex): Bytes {
  return ed25519.getPublicKey(raw(seed));
}

function why(work: () => unknown): string {
  try {
    work();
  } catch (problem) {
    if (problem instanceof SealError) return problem.why;
    throw problem;
  }
  return "opened";
}

describe("encodings.json", () => {
  const vector = own<{
    enc: { fields: Hex[]; bytes: Hex }[];
    message_id: { sealed: Hex; message_id: Hex }[];
    device_id: { ed25519_public: Hex; device_id: Hex }[];
    key_id: { ed25519_public: Hex; key_id: Hex }[];
    names_taken: string[];
    names_refused: string[];
  }>("encodings.json");

  it("enc and ids", () => {
    for (const one of vector.enc) expect(hex(enc(...one.fields.map(raw)))).toBe(one.bytes);
    for (const one of vector.message_id) expect(hex(messageId(raw(one.sealed)))).toBe(one.message_id);
    for (const one of vector.device_id) expect(hex(deviceId(raw(one.ed25519_public)))).toBe(one.device_id);
    for (const one of vector.key_id) expect(hex(keyId(raw(one.ed25519_public)))).toBe(one.key_id);
  });

  it("names", () => {
    for (const name of vector.names_taken) expect(peerName(name)).toBe(name);
    for (const name of vector.names_refused) expect(() => peerName(name)).toThrow(NameInvalid);
  });
});

it("kdf.json", () => {
  const vector = own<{ prk: Hex; derived: { label: string; bytes: Hex }[] }>("kdf.json");
  for (const one of vector.derived) expect(hex(derive(raw(vector.prk), one.label, 32))).toBe(one.bytes);
});

describe("noise.json", () => {
  type Case = Fields & { protocol: string; messages: { payload: Hex; message: Hex }[] };
  const { cases } = own<{ cases: Case[] }>("noise.json");

  it.each(cases.flatMap((one) => [{ one, initiator: true }, { one, initiator: false }]))("$one.protocol $initiator", async ({ one, initiator }) => {
    const [mine, theirs] = initiator ? ["initiator", "responder"] : ["responder", "initiator"];
    const side = new Handshake(one.protocol, {
      initiator,
      rng: draws(one[`${mine}_ephemeral`] ?? ""),
      prologue: raw(one["prologue"] ?? ""),
      s: dhKey(raw(one[`${mine}_static`] ?? "")),
      rs: initiator || one.protocol.includes("KK") ? x25519.getPublicKey(raw(one[`${theirs}_static`] ?? "")) : undefined,
      psks: [raw(one["psk"] ?? "")],
    });
    for (const [number, { payload, message }] of one.messages.entries()) {
      if ((number % 2 === 0) === initiator) expect(hex(await side.write(raw(payload)))).toBe(message);
      else expect(hex(await side.read(raw(message)))).toBe(payload);
    }
    const { h, k1, k2 } = side.split();
    expect([h, k1, k2].map(hex)).toEqual([one["h"], one["k1"], one["k2"]]);
  });
});

it("link.json", () => {
  const vector = own<{ good: Fields; bad: { link: string; fault: string }[] }>("link.json");
  const { good } = vector;
  const code = readLink(` ${good["link"] ?? ""}\n`);
  expect([code.offerId, code.secret, code.hostX25519].map(hex)).toEqual([good["offer_id"], good["secret"], good["host_x25519"]]);
  expect(code.service).toBe(good["service"]);
  expect([hex(claimToken(code)), hex(sha256(claimToken(code)))]).toEqual([good["claim_token"], good["claim_token_hash"]]);
  expect(hex(pairPsk(code))).toBe(good["psk"]);
  for (const bad of vector.bad) {
    expect(() => readLink(bad.link)).toThrow(expect.objectContaining({ fault: bad.fault }) as LinkError);
  }
});

it("pairing.json", async () => {
  const vector = own<
    Record<"offer" | "phone" | "host" | "kem" | "steps" | "derived" | "stored", Fields> & Record<"code" | "pair_id" | "pair_psk" | "attestation" | "phone_signature" | "host_signature", string>
  >("pairing.json");
  const { phone, host, steps } = vector;
  const seed = phone["ed25519_private"] ?? "";
  const ceremony = new PhoneCeremony({
    code: readLink(vector.offer["link"] ?? ""),
    ownX25519: dhKey(raw(phone["x25519_private"] ?? "")),
    ownEd25519: publicKey(seed),
    ownName: phone["name"] ?? "",
    rng: draws(...["kem_seed", "ephemeral", "n_phone", "salt_5", "salt_7"].map((name) => phone[name] ?? "")),
  });

  const said: Fields = {};
  const hear = async (step?: number): Promise<void> => {
    const outgoing = step === undefined ? await ceremony.begin() : await ceremony.receive(step, raw(steps[step] ?? ""));
    for (const one of outgoing) said[one.step] = hex(one.payload);
  };
  await hear();
  for (const step of [2, 4, 6]) await hear(step);

  expect([ceremony.code, ceremony.peerName]).toEqual([vector.code, host["name"]]);
  for (const one of await ceremony.confirm(async (message) => Promise.resolve(ed25519.sign(message, raw(seed))))) said[one.step] = hex(one.payload);
  expect(said).toEqual({ 1: steps[1], 3: steps[3], 5: steps[5], 7: steps[7] });
  expect(ceremony.result?.hostSignature).toBeNull();
  await hear(8);

  const { result } = ceremony;
  expect(ceremony.state).toBe("PAIRED");
  expect(result && [result.keys.pairId, result.keys.pairPsk, result.attestation, result.phoneSignature, result.hostSignature ?? utf8("")].map(hex)).toEqual(
    [vector.pair_id, vector.pair_psk, vector.attestation, vector.phone_signature, vector.host_signature],
  );
});

describe("session.json", () => {
  type Case = Fields & { phone: Fields; head: { number: number; hash: Hex }; host_epoch: Hex | null; kem: Fields } & {
    chains: Record<string, { direction: number; class: number; key: Hex; first_frame: Fields }>;
  };
  const { cases } = own<{ cases: Case[] }>("session.json");

  it.each(cases)("$name", async (one) => {
    const { phone } = one;
    const at = (name: string): Bytes => raw(phone[name] ?? "");
    const handshake = await PhoneHandshake.begin(
      {
        pairId: raw(one["pair_id"] ?? "") as PairId,
        ownX25519: dhKey(at("own_x25519_private")),
        peerX25519: at("peer_x25519_public"),
        ownEd25519: at("own_ed25519_public"),
        peerEd25519: at("peer_ed25519_public"),
        pairPsk: raw(one["pair_psk"] ?? ""),
      },
      {
        grant: raw(one["grant"] ?? ""),
        head: { number: BigInt(one.head.number), hash: raw(one.head.hash) },
        nowMs: 0,
        rng: draws(phone["kem_seed"] ?? "", phone["ephemeral"] ?? ""),
      },
    );
    expect(hex(handshake.message1)).toBe(one["message1"]);
    const { epoch, hostEpoch } = await handshake.finish(raw(one["message2"] ?? ""), 0);
    expect(hex(epoch.epoch)).toBe(one["epoch"]);
    expect(hostEpoch && hex(hostEpoch)).toBe(one.host_epoch);
    const chains: Record<string, Chain> = {
      "up command": epoch.upCommand, "up live": epoch.upLive, "down keep": epoch.downKeep, "down live": epoch.downLive,
    };
    for (const [label, { direction, class: frameClass, key, first_frame: first }] of Object.entries(one.chains)) {
      const chain = chains[label];
      if (chain === undefined) throw new Error(`no chain ${label}`);
      expect([chain.direction, chain.frameClass, hex(chain.key)]).toEqual([direction, frameClass, key]);
      expect(hex(seal(chain, raw(first["body"] ?? ""), draws(first["salt"] ?? "")).sealed)).toBe(first["sealed"]);
      expect(hex(open(chain, raw(first["sealed"] ?? "")).body)).toBe(first["body"]);
    }
  });

  it("decapsulation", () => {
    for (const one of cases) {
      const key = kem.generate(raw(one.phone["kem_seed"] ?? ""));
      expect(hex(key.publicKey)).toBe(one.kem["encapsulation_key"]);
      expect(hex(kem.decapsulate(key, raw(one.kem["ciphertext"] ?? "")))).toBe(one.kem["secret"]);
    }
  });
});

it("chain.json", () => {
  type Refused = { why: string; sealed: Hex }[];
  const vector = own<{
    chain: Fields; frames: Fields[]; furthest: Fields; refused_by_the_chain_at_0: Refused; refused_by_the_chain_at_2: Refused;
  }>("chain.json");
  const start = readChain(raw(vector.chain["stored"] ?? ""));
  expect(hex(chainBytes(start))).toBe(vector.chain["stored"]);
  const at: Chain[] = [start];
  for (const frame of vector.frames) {
    const chain = at.at(-1) ?? start;
    const sealed = seal(chain, raw(frame["body"] ?? ""), draws(frame["salt"] ?? ""));
    expect([hex(sealed.sealed), hex(messageId(sealed.sealed))]).toEqual([frame["sealed"], frame["message_id"]]);
    const opened = open(chain, sealed.sealed);
    expect(hex(opened.body)).toBe(frame["body"]);
    expect(opened.chain).toEqual(sealed.chain);
    at.push(opened.chain);
  }
  expect(hex(open(start, raw(vector.furthest["sealed"] ?? "")).body)).toBe(vector.furthest["body"]);
  for (const refused of vector.refused_by_the_chain_at_0) expect(why(() => open(start, raw(refused.sealed)))).toBe(refused.why);
  for (const refused of vector.refused_by_the_chain_at_2) expect(why(() => open(at[2] ?? start, raw(refused.sealed)))).toBe(refused.why);
});

it("history.json", () => {
  type Signed = Fields & { attempt: number; head: { number: number; hash: Hex } };
  const vector = own<{ events: Fields[]; task: Signed; head: Signed }>("history.json");
  for (const event of vector.events) expect(hex(eventHash(raw(event["previous"] ?? ""), raw(event["event"] ?? "")))).toBe(event["hash"]);
  const { task, head } = vector;
  const place = { number: BigInt(task.head.number), hash: raw(task.head.hash) };
  const words = { pairId: raw(task["pair_id"] ?? ""), taskId: raw(task["task_id"] ?? ""), attempt: task.attempt, body: raw(task["body"] ?? ""), head: place };
  expect(hex(taskWords(words))).toBe(task["signed_bytes"]);
  expect(verifyTask(publicKey(task["ed25519_private"] ?? ""), raw(task["signature"] ?? ""), words)).toBe(true);
  expect(verifyTask(publicKey(task["ed25519_private"] ?? ""), raw(task["signature"] ?? ""), { ...words, attempt: 3 })).toBe(false);
  expect(hex(headWords(raw(head["pair_id"] ?? ""), place))).toBe(head["signed_bytes"]);
  expect(verifyHead(publicKey(head["ed25519_private"] ?? ""), raw(head["signature"] ?? ""), raw(head["pair_id"] ?? ""), place)).toBe(true);
});

it("file.json", () => {
  type Chunk = { index: number; bytes: number; salt: Hex; sealed?: Hex; sealed_sha256?: Hex };
  type Word = { end: TransferEnd; salt: Hex; body: Hex; sealed: Hex };
  const vector = own<{
    key: Hex; file_id: Hex; transfer_id: Hex; files: { size: number; chunks: Chunk[] }[];
    words_of_the_file_of_5_bytes: Word[]; refused_as_chunk_0_of_5_bytes: { why: string; sealed: Hex }[];
  }>("file.json");
  const sealOf = (size: number): FileSeal => new FileSeal(raw(vector.file_id) as FileId, size, raw(vector.key));
  for (const file of vector.files) {
    expect(file.chunks.length).toBe(countOf(file.size));
    for (const { index, bytes, salt, ...expected } of file.chunks) {
      const content = new Uint8Array(bytes).fill(index + 1);
      const sealed = sealOf(file.size).sealChunk(index, content, draws(salt));
      if (expected.sealed !== undefined) expect(hex(sealed)).toBe(expected.sealed);
      if (expected.sealed_sha256 !== undefined) expect(hex(sha256(sealed))).toBe(expected.sealed_sha256);
      expect(sealOf(file.size).openChunk(sealed, index)).toEqual(content);
    }
  }
  const five = sealOf(5);
  for (const word of vector.words_of_the_file_of_5_bytes) {
    const transferId = raw(vector.transfer_id) as TransferId;
    expect(hex(five.sealWord(transferId, word.end, raw(word.body), draws(word.salt)))).toBe(word.sealed);
    expect(hex(five.openWord(transferId, word.end, raw(word.sealed)))).toBe(word.body);
    expect(why(() => five.openWord(transferId, (1 - word.end) as TransferEnd, raw(word.sealed)))).toBe("BAD_TAG");
  }
  for (const refused of vector.refused_as_chunk_0_of_5_bytes) expect(why(() => five.openChunk(raw(refused.sealed), 0))).toBe(refused.why);
  expect(countOf(CHUNK_BYTES)).toBe(1);
  expect(u32(1)).toEqual(Uint8Array.of(0, 0, 0, 1));
});

it("proofs.json", () => {
  type KeySet = { keys: Hex[]; sequence: number; signed_bytes: Hex; signatures: { key_id: Hex; signature: Hex }[] };
  const vector = own<Record<"device" | "stream" | "transfer" | "call" | "attestation" | "grant", Fields> & { key_set: KeySet }>("proofs.json");
  const { device, stream, transfer, call, grant, attestation: attested, key_set: keySet } = vector;
  const seed = device["ed25519_private"] ?? "";
  const bytes = (of: Fields, name: string): Bytes => raw(of[name] ?? "");
  const ids = deviceId(publicKey(seed));
  expect(hex(ids)).toBe(device["device_id"]);
  const place = (of: Fields) => ({
    dialled: of["dialled"] ?? "", device: ids, clientNonce: bytes(of, "client_nonce"), serverNonce: bytes(of, "server_nonce"), grant: bytes(of, "grant"),
  });
  const signed = (of: Fields, words: Bytes): void => {
    expect([hex(words), hex(ed25519.sign(words, raw(seed)))]).toEqual([of["signed_bytes"], of["signature"]]);
  };
  signed(stream, streamProofBytes(place(stream)));
  signed(transfer, transferProofBytes({ ...place(transfer), transferId: bytes(transfer, "transfer_id") }));
  signed(call, callProofBytes({ dialled: call["dialled"] ?? "", method: call["method"] ?? "", device: ids, nonce: bytes(call, "nonce"), request: bytes(call, "request") }));

  const [hostKey, phoneKey] = [publicKey(attested["host_ed25519_private"] ?? ""), publicKey(attested["phone_ed25519_private"] ?? "")];
  expect(hex(attestation({ pairId: bytes(attested, "pair_id"), service: attested["service"] ?? "", hostKey, phoneKey }))).toBe(attested["signed_bytes"]);

  const pinned = { keys: keySet.keys.map(raw), sequence: BigInt(keySet.sequence) };
  const signature = { keyId: bytes(grant, "key_id"), signature: bytes(grant, "signature") };
  expect(verifyGrant(pinned, bytes(grant, "grant"), signature)).toBe(true);
  expect(verifyGrant(pinned, utf8("another"), signature)).toBe(false);
  expect(hex(keySetBytes(pinned))).toBe(keySet.signed_bytes);
  const signatures = keySet.signatures.map((one) => ({ keyId: raw(one.key_id), signature: raw(one.signature) }));
  const before = { keys: pinned.keys.slice(1), sequence: 1n };
  expect(mayReplace(null, pinned, signatures)).toBe(true);
  expect(mayReplace(before, pinned, signatures)).toBe(true);
  expect(mayReplace({ ...before, sequence: 2n }, pinned, signatures)).toBe(false);
  expect(mayReplace(before, pinned, signatures.slice(0, 1))).toBe(false);
});
