/** A relay's end of a stream, and the time, both in a test's hand. */

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";

import type { Bytes } from "../../src/protocol/bytes.js";
import { Reason } from "../../src/protocol/dispatch/api/error/v1/error_pb.js";
import { AttachRequestSchema, AttachResponseSchema, ChallengeSchema, type DeviceFrame, type RelayFrameSchema } from "../../src/protocol/dispatch/api/relay/v1/relay_pb.js";
import {
  type CarryRequest, CarryRequestSchema, type CarryResponse, CarryResponseSchema, DataSchema, JoinedSchema,
} from "../../src/protocol/dispatch/api/relay/v1/transfer_pb.js";
import { Refused } from "../../src/protocol/errors.js";
import type { Carrier, Clock } from "../../src/protocol/thread/carrier.js";

type Relay = NonNullable<Parameters<typeof create<typeof RelayFrameSchema>>[1]>;

/** A clock that a test moves by hand. */
export class Hand implements Clock {
  now = 1_000;
  /** By so many ms timers come too soon, as those of browsers and Node do now and then. */
  early = 0;
  private timers: { at: number; call: () => void }[] = [];

  nowMs = (): number => this.now;
  wallMs = (): number => this.now;

  /** So many wait for a time. */
  get waiting(): number {
    return this.timers.length;
  }

  after(ms: number, call: () => void): () => void {
    const timer = { at: this.now + ms - this.early, call };
    this.timers.push(timer);
    return () => { this.timers = this.timers.filter((one) => one !== timer); };
  }

  move(ms: number): void {
    this.now += ms;
    const due = this.timers.filter((timer) => timer.at <= this.now);
    this.timers = this.timers.filter((timer) => timer.at > this.now);
    for (const { call } of due) call();
  }
}

/** What all streams have. */
abstract class Wire implements Carrier {
  closed = false;
  private readonly inbox: (Bytes | Refused)[] = [];
  private wake: () => void = () => undefined;

  async read(): Promise<Bytes> {
    for (;;) {
      const next = this.inbox.shift();
      if (next instanceof Refused) throw next;
      if (next !== undefined) return next;
      await new Promise<void>((resolve) => { this.wake = resolve; });
    }
  }

  abstract write(message: Bytes): Promise<void>;

  close(): void {
    this.closed = true;
    this.end(new Refused(Reason.NO_NETWORK, "closed here"));
  }

  end(why: Refused): void {
    this.inbox.push(why);
    this.wake();
  }

  /** Is closed by this, as whoever dials says. */
  endedBy(ending: AbortSignal): this {
    ending.addEventListener("abort", () => { this.close(); });
    return this;
  }

  protected bring(message: Bytes): void {
    this.inbox.push(message);
    this.wake();
  }
}

/** One stream, as the relay has it. */
export class Stream extends Wire {
  readonly said: DeviceFrame["frame"][] = [];

  async write(message: Bytes): Promise<void> {
    this.said.push(...fromBinary(AttachRequestSchema, message).frames.map(({ frame }) => frame));
    return Promise.resolve();
  }

  tell(...frames: Relay[]): void {
    this.bring(toBinary(AttachResponseSchema, create(AttachResponseSchema, { frames })));
  }

  async says(kind: DeviceFrame["frame"]["case"]): Promise<DeviceFrame["frame"]> {
    return until(() => this.said.find((frame) => frame.case === kind));
  }

  open(resumed = 0n): void {
    this.tell({ frame: { case: "opened", value: { headSeq: resumed, limits: { silenceMs: 65_000, leaseMs: 5_000 } } } });
  }
}

/** One end of a transfer, as the relay has it. */
export class TransferStream extends Wire {
  readonly said: CarryRequest["frame"][] = [];
  /** Takes nothing more, as a path that leads nowhere. */
  stuck = false;

  async write(message: Bytes): Promise<void> {
    if (this.stuck) return new Promise(() => undefined);
    this.said.push(fromBinary(CarryRequestSchema, message).frame);
    return Promise.resolve();
  }

  tell(frame: CarryResponse["frame"]): void {
    this.bring(toBinary(CarryResponseSchema, create(CarryResponseSchema, { frame })));
  }

  async says(kind: CarryRequest["frame"]["case"]): Promise<CarryRequest["frame"]> {
    return until(() => this.said.find((frame) => frame.case === kind));
  }

  challenges(): void {
    this.tell({ case: "challenge", value: create(ChallengeSchema, { nonce: new Uint8Array(32) }) });
  }

  joins(): void {
    this.tell({ case: "joined", value: create(JoinedSchema) });
  }

  data(sealed: Bytes): void {
    this.tell({ case: "data", value: create(DataSchema, { sealed }) });
  }
}

/** Waits until there is something to see. The test's own time ends it. */
export async function until<T>(look: () => T | undefined | false): Promise<T> {
  for (;;) {
    const found = look();
    if (found !== undefined && found !== false) return found;
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}
