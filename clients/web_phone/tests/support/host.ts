/** A host in memory: answers handshakes, opens what the phone says, seals events. Knows no tasks; a test says what it says. */

import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { ed25519 } from "@noble/curves/ed25519.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";

import { type Bytes, concat, readU32, utf8 } from "../../src/protocol/bytes.js";
import {
  DownKeepItemSchema, DownKeepSchema, DownLiveSchema, EventSchema, type UpCommand, UpCommandSchema, type UpLiveItem, UpLiveSchema,
} from "../../src/protocol/dispatch/api/thread/v1/thread_pb.js";
import { ID_BYTES, type PairId, type Rng } from "../../src/protocol/ids.js";
import { dhKey } from "../../src/protocol/memory_keys.js";
import { Handshake } from "../../src/protocol/noise.js";
import { type Chain, open, seal } from "../../src/protocol/sealed/chain.js";
import { type Epoch, epochOf, MESSAGE_2, NOISE, prologue } from "../../src/protocol/sealed/handshake.js";
import { type Head, NO_HEAD } from "../../src/protocol/sealed/head.js";
import { eventHash, headWords } from "../../src/protocol/sealed/history.js";
import { agree } from "../../src/protocol/sealed/kdf.js";
import type { PairKeys } from "../../src/protocol/sealed/pair_keys.js";

/** Makes bytes that look random and are the same in every run. */
export function counted(seed: string): Rng {
  let number = 0;
  return (length) => {
    let blocks: Bytes = new Uint8Array();
    while (blocks.length < length) blocks = concat(blocks, sha256(utf8(`${seed} ${number++}`)));
    return blocks.slice(0, length);
  };
}

/** The keys of a pair that needed no ceremony, and the seed of the phone's Ed25519 key. */
export function makePair(seed = "pair"): { phone: PairKeys; host: PairKeys; phoneSeed: Bytes; hostSeed: Bytes } {
  const rng = counted(seed);
  const [pairId, pairPsk] = [rng(16) as PairId, rng(32)];
  const [phoneX, hostX] = [dhKey(rng(32)), dhKey(rng(32))];
  const [phoneSeed, hostSeed] = [rng(32), rng(32)];
  const [phoneEd, hostEd] = [ed25519.getPublicKey(phoneSeed), ed25519.getPublicKey(hostSeed)];
  return {
    phone: { pairId, pairPsk, ownX25519: phoneX, peerX25519: hostX.publicKey, ownEd25519: phoneEd, peerEd25519: hostEd },
    host: { pairId, pairPsk, ownX25519: hostX, peerX25519: phoneX.publicKey, ownEd25519: hostEd, peerEd25519: phoneEd },
    phoneSeed,
    hostSeed,
  };
}

/** One host of one pairing. */
export class Host {
  private pending: Epoch | null = null;
  current: Epoch | null = null;
  head: Head = NO_HEAD;

  constructor(
    private readonly keys: PairKeys,
    private readonly signingSeed: Bytes,
    private readonly rng: Rng = counted("host"),
  ) {}

  /** Answers message 1 with message 2; the epoch waits for a frame that opens. */
  async answer(message1: Bytes): Promise<Bytes> {
    const count = message1[1 + ID_BYTES] ?? 0;
    const header = message1.slice(1, 2 + ID_BYTES + count);
    const noise = new Handshake(NOISE, {
      initiator: false, rng: this.rng, prologue: prologue(header, this.keys.ownEd25519, this.keys.peerEd25519),
      s: this.keys.ownX25519, rs: this.keys.peerX25519, psks: [this.keys.pairPsk],
    });
    const payload = await noise.read(message1.slice(1 + header.length));
    const { cipherText, sharedSecret } = ml_kem768.encapsulate(payload.slice(0, 1184), this.rng(32));
    const written = await noise.write(concat(cipherText, Uint8Array.of(1), this.current?.epoch ?? new Uint8Array(8)));
    this.pending = epochOf(this.keys.pairId, agree(noise.split(), sharedSecret), 1, 0);
    return concat(Uint8Array.of(MESSAGE_2), written);
  }

  /** Opens what the phone says in passing. What opens under the pending epoch confirms it. Throws SealError. */
  hears(sealed: Bytes): UpLiveItem[] {
    const opened = this.opens(sealed, "upLive");
    return fromBinary(UpLiveSchema, opened).items;
  }

  /** Opens a command. Throws SealError. */
  takes(sealed: Bytes): UpCommand {
    return fromBinary(UpCommandSchema, this.opens(sealed, "upCommand"));
  }

  /** Makes the next event; it is in the thread, whether it arrives or not. */
  event(event: MessageInitShape<typeof EventSchema>): Bytes {
    const number = this.head.number + 1n;
    const content = toBinary(EventSchema, create(EventSchema, { eventId: this.rng(16), ...event, number, previousHash: this.head.hash }));
    this.head = { number, hash: eventHash(this.head.hash, content) };
    return content;
  }

  /** Seals a keep row. */
  keeps(...items: MessageInitShape<typeof DownKeepItemSchema>[]): Bytes {
    return this.seals("downKeep", toBinary(DownKeepSchema, create(DownKeepSchema, { items })));
  }

  /** Seals Begin, with where the thread stands. */
  begin(): Bytes {
    return this.keeps({ item: { case: "begin", value: { head: { ...this.head } } } });
  }

  /** Seals something said in passing. */
  says(...items: NonNullable<MessageInitShape<typeof DownLiveSchema>["items"]>): Bytes {
    return this.seals("downLive", toBinary(DownLiveSchema, create(DownLiveSchema, { items })));
  }

  /** Signs its head. */
  signature(): MessageInitShape<typeof DownKeepItemSchema> {
    const signature = ed25519.sign(headWords(this.keys.pairId, this.head), this.signingSeed);
    return { item: { case: "headSignature", value: { head: { ...this.head }, signature } } };
  }

  private opens(sealed: Bytes, chain: "upLive" | "upCommand"): Bytes {
    const [pending, current] = [this.pending, this.current];
    const epoch = pending !== null && readU32(sealed, 1) === readU32(pending.epoch) ? pending : current;
    if (epoch === null) throw new Error("there is no session");
    const opened = open(epoch[chain], sealed);
    this.current = { ...epoch, [chain]: opened.chain };
    if (epoch === pending) this.pending = null;
    return opened.body;
  }

  private seals(chain: "downKeep" | "downLive", body: Bytes): Bytes {
    if (this.current === null) throw new Error("there is no session");
    const sealed: { sealed: Bytes; chain: Chain } = seal(this.current[chain], body, this.rng);
    this.current = { ...this.current, [chain]: sealed.chain };
    return sealed.sealed;
  }
}
