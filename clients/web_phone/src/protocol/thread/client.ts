/**
 * Keeps one thread stream open for as long as `run` runs.
 *
 * It knows frames and the order in which a stream is opened. What the frames mean is the end's business (`ThreadEnd`); it never looks
 * into a seal. One loop reads, one writes; nobody else touches the carrier. docs/protocol.md "A stream".
 */

import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";

import { type Bytes } from "../bytes.js";
import { Reason } from "../dispatch/api/error/v1/error_pb.js";
import {
  AttachRequestSchema, AttachResponseSchema, type DeviceFrame, DeviceFrameSchema, DeviceKind, type Limits, type Opened, type RelayFrame,
} from "../dispatch/api/relay/v1/relay_pb.js";
import { Refused, word } from "../errors.js";
import type { DeviceId, Rng } from "../ids.js";
import type { Signer } from "../keys.js";
import { NONCE_BYTES, streamProofBytes } from "../proof.js";
import type { Backoff } from "./backoff.js";
import type { Carrier, Clock, Dial } from "./carrier.js";

export const ATTACH = "/dispatch.api.relay.v1.ThreadService/Attach";
export const PROTOCOL_VERSIONS = [1];
export const OPEN_WITHIN_MS = 10_000;
/** A backlog must not make a message that is refused: it would be refused again on every stream. Bytes. */
export const BATCH_BYTES = 1024 * 1024;
/** Frames that wait for the writer before no more are read. */
export const MOST_QUEUED = 1_024;

/** After these nothing is gained by coming back: a person has to do something first. */
export const FINAL: readonly Reason[] = [
  Reason.STREAM_SUPERSEDED, Reason.NOT_PAIRED, Reason.HOST_REVOKED, Reason.DEVICE_REVOKED, Reason.SIGN_IN_REQUIRED, Reason.APP_TOO_OLD,
  Reason.VERSION_UNSUPPORTED,
];
/** After these a fresh grant may help, at once and once. */
const RENEW: readonly Reason[] = [Reason.GRANT_EXPIRED, Reason.GRANT_INVALID, Reason.PROOF_INVALID];

/** Who this device is, and its hand. */
export interface Identity {
  deviceId: DeviceId;
  sign: Signer;
  appVersion: string;
  /** 16 random bytes, new for each page. */
  instance: Bytes;
}

/** A serialized SignedGrant, and the relays where it may be used, best first. */
export interface Right {
  grant: Bytes;
  relays: readonly string[];
}

/** What stands behind the stream. Its calls come one after the other. */
export interface ThreadEnd {
  /** Gives the right to attach. `fresh` asks for a new one: the last was not accepted. Rejects with Refused. */
  right(fresh: boolean): Promise<Right>;
  /** Gives the last row that the device has without a gap. */
  resumeAfter(): bigint;
  /** Tells whether a person looks at the thread. */
  looking(): boolean;
  /** Hears that the stream is open. */
  opened(opened: Opened): Promise<void>;
  /** Takes frames in order. What must be remembered is committed before this resolves. Rejects with Refused to end the stream. */
  received(frames: readonly RelayFrame[]): Promise<void>;
  /** Hears that the stream is lost, or could not be opened. It is tried again unless that is final. Rejects only with what is. */
  closed(error: Refused, final: boolean): Promise<void>;
}

/** What the client is made of. */
export interface Means {
  dial: Dial;
  identity: Identity;
  clock: Clock;
  rng: Rng;
  backoff: Backoff;
}

/** One device's stream in one pairing, made anew whenever it breaks. */
export class ThreadClient {
  // Touched by run and its reader only.
  private lastHeardMs = 0;
  private silenceMs = 65_000;
  private leaseMs = 5_000;
  private framesLimit = 64;
  // The writer's: filled by send, emptied by the writer.
  private queue: DeviceFrame[] = [];
  private carrier: Carrier | null = null; // while the stream is open
  private leaving = false;
  private hurries = false; // the next wait for a stream is over
  private readonly bell = new Bell();
  private dialled = "";

  constructor(
    private readonly end: ThreadEnd,
    private readonly means: Means,
  ) {}

  /** The address that was dialled last; empty before the first. */
  get relay(): string {
    return this.dialled;
  }

  /** Queues frames for the open stream. False when there is none: nothing is kept for later. */
  send(...frames: readonly DeviceFrame[]): boolean {
    if (this.carrier === null || this.leaving) return false;
    this.queue.push(...frames);
    this.bell.ring();
    return true;
  }

  /** Says goodbye; `run` then resolves. */
  leave(): void {
    this.send(frame({ case: "bye", value: {} }));
    this.leaving = true;
    this.bell.ring();
  }

  /** Takes the open stream for lost and opens another: whoever knows that it may lead nowhere need not wait for the silence. */
  renew(): void {
    this.carrier?.close();
  }

  /** Opens a stream at once where it would wait to: whoever knows that there is a network again need not sit out what was waited for without one. */
  retry(): void {
    if (this.carrier !== null) return;
    this.hurries = true;
    this.bell.ring();
  }

  /** Holds the stream. Resolves after `leave`; rejects with Refused when coming back is of no use. */
  async run(): Promise<void> {
    let [renewed, attempt] = [false, 0];
    while (!this.isLeaving()) {
      try {
        const right = await this.end.right(renewed);
        const relay = right.relays[attempt % Math.max(1, right.relays.length)];
        if (relay === undefined) throw new Refused(Reason.NO_RELAY);
        await this.oneStream(right.grant, relay);
        return;
      } catch (problem) {
        const wasOpen = problem instanceof Lost;
        const error = wasOpen ? problem.why : problem;
        if (!(error instanceof Refused)) throw error;
        if (this.isLeaving()) return;
        const final = FINAL.includes(error.reason);
        await this.end.closed(error, final);
        if (final) throw error;
        if (RENEW.includes(error.reason) && !renewed) {
          renewed = true;
          continue;
        }
        renewed &&= !wasOpen;
        attempt = wasOpen ? 0 : attempt + 1;
        await this.pause(this.means.backoff.nextMs(this.means.clock.nowMs(), error.retryAfterMs));
        this.hurries = false;
      }
    }
  }

  /** Opens a stream and holds it until it ends; resolves when the device said goodbye, rejects with why else. */
  private async oneStream(grant: Bytes, relay: string): Promise<void> {
    const { clock, dial, backoff } = this.means;
    this.dialled = relay;
    this.queue = [];
    const looking = this.end.looking();
    const ending = new AbortController();
    const takeBack = clock.after(OPEN_WITHIN_MS, () => { ending.abort(); });
    let carrier: Carrier;
    let first: readonly RelayFrame[];
    let opened: Opened;
    try {
      carrier = await dial(relay, ATTACH, ending.signal);
      [opened, first] = await this.handshake(carrier, grant, relay, looking);
    } catch (problem) {
      const late = ending.signal.aborted;
      ending.abort();
      throw late ? new Refused(Reason.NO_NETWORK, `${relay} does not answer`) : problem;
    } finally {
      takeBack();
    }
    backoff.opened();
    this.heed(opened.limits);
    this.lastHeardMs = clock.nowMs();
    [this.carrier, this.hurries] = [carrier, false];
    try {
      await this.end.opened(opened);
      // A person who began to look, or went away, while it opened: nobody else says so any more.
      if (this.end.looking() !== looking) this.send(frame({ case: "looking", value: { looking: !looking } }));
      // Whichever ends first ends the others; the first reason is the one that counts.
      await Promise.race([this.read(carrier, first), this.write(carrier), this.watch(carrier)]);
    } catch (problem) {
      throw problem instanceof Refused ? new Lost(problem) : problem;
    } finally {
      this.carrier = null;
      carrier.close();
      this.bell.ring();
    }
  }

  /** Hello, Challenge, Proof and Open, Opened. Gives what came behind Opened in the same batch. */
  private async handshake(carrier: Carrier, grant: Bytes, relay: string, looking: boolean): Promise<[Opened, readonly RelayFrame[]]> {
    const { identity, rng } = this.means;
    const { deviceId, appVersion, instance } = identity;
    const nonce = rng(NONCE_BYTES);
    const hello = { deviceId, grant, appVersion, deviceKind: DeviceKind.PHONE, protocolVersions: PROTOCOL_VERSIONS, nonce, instance };
    await carrier.write(batchOf([frame({ case: "hello", value: hello })]));
    const [challenge] = framesOf(await carrier.read());
    if (challenge?.frame.case !== "challenge") throw new Refused(Reason.PROTOCOL_VIOLATION, "the relay did not answer with challenge");
    const proof = streamProofBytes({ dialled: relay, device: deviceId, clientNonce: nonce, serverNonce: challenge.frame.value.nonce, grant });
    const opening = { resumeAfter: this.end.resumeAfter(), looking };
    const signature = await identity.sign(proof);
    await carrier.write(batchOf([frame({ case: "proof", value: { dialled: relay, signature } }), frame({ case: "open", value: opening })]));
    const [opened, ...rest] = framesOf(await carrier.read());
    if (opened?.frame.case !== "opened") throw new Refused(Reason.PROTOCOL_VIOLATION, "the relay did not answer with opened");
    return [opened.frame.value, rest];
  }

  private async read(carrier: Carrier, first: readonly RelayFrame[]): Promise<void> {
    for (let frames = first; ; frames = framesOf(await carrier.read())) {
      this.lastHeardMs = this.means.clock.nowMs();
      for (const { frame: one } of frames) {
        if (one.case === "ping") this.send(frame({ case: "pong", value: { number: one.value.number } }));
        else if (one.case === "draining") throw new Refused(Reason.DRAINING, "", one.value.reconnectInMs);
      }
      const rest = frames.filter((one) => one.frame.case !== "ping");
      if (rest.length > 0) await this.end.received(rest);
      // Back-pressure on a relay that asks faster than it reads the answers: they would fill our memory.
      while (this.queue.length > MOST_QUEUED && this.carrier === carrier) await this.bell.rung();
    }
  }

  private async write(carrier: Carrier): Promise<void> {
    for (;;) {
      while (this.queue.length > 0) {
        const batch = head(this.queue, this.framesLimit);
        this.queue = this.queue.slice(batch.length);
        await carrier.write(batchOf(batch));
        this.bell.ring();
      }
      if (this.isLeaving() || this.carrier !== carrier) return;
      await this.bell.rung();
    }
  }

  /**
   * Takes the stream for lost when the relay has been silent for too long. While a person looks the relay asks every lease: then two
   * without a word are enough, and who looks is not shown for a minute what nobody knows any more.
   */
  private async watch(carrier: Carrier): Promise<void> {
    const { clock } = this.means;
    let lookedAtMs: number | null = null; // since when
    while (this.carrier === carrier) {
      const nowMs = clock.nowMs();
      lookedAtMs = this.end.looking() ? (lookedAtMs ?? nowMs) : null;
      // Before that the relay had no reason to ask so often.
      const mostMs = lookedAtMs === null ? this.silenceMs : Math.min(this.silenceMs, 2 * this.leaseMs);
      const silentMs = nowMs - Math.max(this.lastHeardMs, lookedAtMs ?? 0);
      if (silentMs >= mostMs) throw new Refused(Reason.LEASE_LOST, `nothing heard for ${Math.round(silentMs)} ms`);
      await this.pause(Math.min(mostMs - silentMs, Math.max(this.leaseMs, 1_000)));
    }
  }

  /** Waits, unless `leave` or the end of the stream comes first. */
  private async pause(ms: number): Promise<void> {
    const { carrier } = this;
    const timer = { rang: false }; // asked itself: `nowMs` may say that it came too soon, and it does not come again
    const takeBack = this.means.clock.after(ms, () => {
      timer.rang = true;
      this.bell.ring();
    });
    while (!timer.rang && !this.isLeaving() && !this.hurries && this.carrier === carrier) await this.bell.rung();
    takeBack();
  }

  private heed(limits: Limits | undefined): void {
    // 0 is not said.
    if (limits?.silenceMs) this.silenceMs = limits.silenceMs;
    if (limits?.leaseMs) this.leaseMs = limits.leaseMs;
    if (limits?.frames) this.framesLimit = limits.frames;
  }

  private isLeaving(): boolean {
    return this.leaving;
  }
}

/** Why an open stream was lost. Never leaves this module. */
class Lost extends Error {
  constructor(readonly why: Refused) {
    super(word(why.reason));
  }
}

/** Wakes everybody who waits for news. */
class Bell {
  private waiting: (() => void)[] = [];

  ring(): void {
    const woken = this.waiting;
    this.waiting = [];
    for (const wake of woken) wake();
  }

  async rung(): Promise<void> {
    return new Promise((resolve) => this.waiting.push(resolve));
  }
}

function frame(what: MessageInitShape<typeof DeviceFrameSchema>["frame"]): DeviceFrame {
  return create(DeviceFrameSchema, { frame: what ?? { case: undefined } });
}

function batchOf(frames: DeviceFrame[]): Bytes {
  return toBinary(AttachRequestSchema, create(AttachRequestSchema, { frames }));
}

function framesOf(message: Bytes): RelayFrame[] {
  try {
    return fromBinary(AttachResponseSchema, message).frames;
  } catch {
    throw new Refused(Reason.PROTOCOL_VIOLATION, "what the relay says can't be read");
  }
}

/** Gives the first frames that fit into one message; at least one. */
function head(queue: readonly DeviceFrame[], most: number): DeviceFrame[] {
  let size = 0;
  const end = queue.slice(0, most).findIndex((one, at) => {
    size += toBinary(DeviceFrameSchema, one).length;
    return at > 0 && size > BATCH_BYTES;
  });
  return queue.slice(0, end < 0 ? most : end);
}
