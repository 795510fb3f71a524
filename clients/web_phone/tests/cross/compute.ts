/** What the vectors ask for: known answers to known draws. docs/conformance.md "Computing" lists what goes in and what comes out. */

import { ed25519 } from "@noble/curves/ed25519.js";

import { type Bytes, EMPTY, fromHex, hex } from "../../src/protocol/bytes.js";
import { enc, messageId } from "../../src/protocol/encoding.js";
import { id, type PairId, type Rng, type TaskId } from "../../src/protocol/ids.js";
import { dhKey } from "../../src/protocol/memory_keys.js";
import { NameInvalid, peerName } from "../../src/protocol/names.js";
import { CeremonyFailed, PhoneCeremony } from "../../src/protocol/pairing/ceremony.js";
import { claimToken, LinkError, pairPsk, readLink } from "../../src/protocol/pairing/link.js";
import { callProofBytes, deviceId, keyId, streamProofBytes } from "../../src/protocol/proof.js";
import { type Chain, open, seal } from "../../src/protocol/sealed/chain.js";
import { SealError } from "../../src/protocol/sealed/errors.js";
import type { Direction, FrameClass } from "../../src/protocol/sealed/frame.js";
import { PhoneHandshake } from "../../src/protocol/sealed/handshake.js";
import type { Head } from "../../src/protocol/sealed/head.js";
import { eventHash, headWords, taskWords } from "../../src/protocol/sealed/history.js";
import { derive } from "../../src/protocol/sealed/kdf.js";
import { draws } from "../support/vectors.js";
import type { Line } from "./ends.js";

/** A question: texts by name, and lists of texts. */
export type Given = Record<string, string | string[]>;

const text = (given: Given, name: string): string => (typeof given[name] === "string" ? given[name] : "");
const raw = (given: Given, name: string): Bytes => fromHex(text(given, name));
const list = (given: Given, name: string): string[] => (Array.isArray(given[name]) ? given[name] : []);
const keyOf = (given: Given): Bytes => ed25519.getPublicKey(raw(given, "ed25519_private"));
const headOf = (given: Given): Head => ({ number: BigInt(text(given, "head_number")), hash: raw(given, "head_hash") });

function chainOf(given: Given): Chain {
  return {
    pairId: id<PairId>(raw(given, "pair_id")), epoch: raw(given, "epoch"), n: BigInt(text(given, "n")), key: raw(given, "key"),
    direction: Number(text(given, "direction")) as Direction, frameClass: Number(text(given, "class")) as FrameClass,
  };
}

function signedBy(given: Given, words: Bytes): Line {
  return { signed_bytes: hex(words), signature: hex(ed25519.sign(words, raw(given, "ed25519_private"))) };
}

function link(given: Given): Line {
  try {
    const code = readLink(text(given, "link"));
    return {
      offer_id: hex(code.offerId), secret: hex(code.secret), host_x25519: hex(code.hostX25519), service: code.service,
      claim_token: hex(claimToken(code)), psk: hex(pairPsk(code)),
    };
  } catch (problem) {
    if (problem instanceof LinkError) return { fault: problem.fault };
    throw problem;
  }
}

function name(given: Given): Line {
  try {
    return { taken: peerName(text(given, "name")) === text(given, "name") };
  } catch (problem) {
    if (problem instanceof NameInvalid) return { taken: false };
    throw problem;
  }
}

async function ceremony(given: Given): Promise<Line> {
  const own = new PhoneCeremony({
    code: readLink(text(given, "link")), ownX25519: dhKey(raw(given, "x25519_private")), ownEd25519: keyOf(given),
    ownName: text(given, "name"), rng: draws(...list(given, "draws")),
  });
  const said: Line = {};
  const keep = (outgoing: { step: number; payload: Bytes }[]): void => {
    for (const { step, payload } of outgoing) said[`step_${step}`] = hex(payload);
  };
  keep(await own.begin());
  for (const step of [2, 4, 6, 8]) {
    if (step === 8) keep(await own.confirm(async (words) => Promise.resolve(ed25519.sign(words, raw(given, "ed25519_private")))));
    try {
      keep(await own.receive(step, raw(given, `step_${step}`)));
    } catch (problem) {
      if (problem instanceof CeremonyFailed) return { failed_at: step };
      throw problem;
    }
  }
  const { keys, peerName: peer } = own.result ?? {};
  return { ...said, code: own.code ?? "", peer: peer ?? "", pair_id: hex(keys?.pairId ?? EMPTY), pair_psk: hex(keys?.pairPsk ?? EMPTY) };
}

async function session(given: Given): Promise<Line> {
  const keys = {
    pairId: id<PairId>(raw(given, "pair_id")), ownX25519: dhKey(raw(given, "own_x25519_private")), peerX25519: raw(given, "peer_x25519_public"),
    ownEd25519: raw(given, "own_ed25519_public"), peerEd25519: raw(given, "peer_ed25519_public"), pairPsk: raw(given, "pair_psk"),
  };
  const rng: Rng = draws(text(given, "kem_seed"), text(given, "ephemeral"));
  const begun = await PhoneHandshake.begin(keys, { grant: raw(given, "grant"), head: headOf(given), nowMs: 0, rng });
  const message1 = hex(begun.message1);
  try {
    const { epoch, hostEpoch } = await begun.finish(raw(given, "message2"), 0);
    return {
      message1, epoch: hex(epoch.epoch), host_epoch: hex(hostEpoch ?? EMPTY),
      "up command": hex(epoch.upCommand.key), "up live": hex(epoch.upLive.key), "down keep": hex(epoch.downKeep.key), "down live": hex(epoch.downLive.key),
    };
  } catch (problem) {
    if (problem instanceof SealError) return { message1, why: problem.why };
    throw problem;
  }
}

function opened(given: Given): Line {
  try {
    return { body: hex(open(chainOf(given), raw(given, "sealed")).body) };
  } catch (problem) {
    if (problem instanceof SealError) return { why: problem.why };
    throw problem;
  }
}

const ANSWERS: Record<string, (given: Given) => Line | Promise<Line>> = {
  enc: (given) => ({ bytes: hex(enc(...list(given, "fields").map(fromHex))) }),
  kdf: (given) => ({ bytes: hex(derive(raw(given, "prk"), text(given, "label"), 32)) }),
  ids: (given) => {
    const key = raw(given, "ed25519_public");
    return { message_id: hex(messageId(raw(given, "sealed"))), device_id: hex(deviceId(key)), key_id: hex(keyId(key)) };
  },
  name, link, ceremony, session,
  open: opened,
  seal: (given) => ({ sealed: hex(seal(chainOf(given), raw(given, "body"), draws(text(given, "salt"))).sealed) }),
  event_hash: (given) => ({ hash: hex(eventHash(raw(given, "previous"), raw(given, "event"))) }),
  task_words: (given) => signedBy(given, taskWords({
    pairId: id<PairId>(raw(given, "pair_id")), taskId: id<TaskId>(raw(given, "task_id")), attempt: Number(text(given, "attempt")),
    body: raw(given, "body"), head: headOf(given),
  })),
  head_words: (given) => signedBy(given, headWords(id<PairId>(raw(given, "pair_id")), headOf(given))),
  stream_proof: (given) => signedBy(given, streamProofBytes({
    dialled: text(given, "dialled"), device: deviceId(keyOf(given)), clientNonce: raw(given, "client_nonce"), serverNonce: raw(given, "server_nonce"),
    grant: raw(given, "grant"),
  })),
  call_proof: (given) => signedBy(given, callProofBytes({
    dialled: text(given, "dialled"), method: text(given, "method"), device: deviceId(keyOf(given)), nonce: raw(given, "nonce"), request: raw(given, "request"),
  })),
};

/** Answers one question of the vectors; `unknown` says that this client has no use for it. */
export async function compute(what: string, given: Given): Promise<Line> {
  return (await ANSWERS[what]?.(given)) ?? { unknown: what };
}
