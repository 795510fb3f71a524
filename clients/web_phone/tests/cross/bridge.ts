/** Carries calls and streams over lines of JSON, to whoever started this program. Stands where a browser has fetch and WebSocket. */

import { createInterface } from "node:readline";

import { create, type DescMessage, type DescMethodStreaming, type DescMethodUnary, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";

import { type Bytes } from "../../src/protocol/bytes.js";
import { Reason } from "../../src/protocol/dispatch/api/error/v1/error_pb.js";
import { Refused } from "../../src/protocol/errors.js";
import type { Dial } from "../../src/protocol/thread/carrier.js";
import { refusalOf } from "../../src/protocol/thread/close.js";

export type Line = Record<string, string | number | boolean | Record<string, string>>;

/** What comes in under one number, in order. */
class Inbox {
  private readonly lines: Line[] = [];
  private wake: () => void = () => undefined;

  put(line: Line): void {
    this.lines.push(line);
    this.wake();
  }

  async take(): Promise<Line> {
    for (;;) {
      const line = this.lines.shift();
      if (line !== undefined) return line;
      await new Promise<void>((resolve) => { this.wake = resolve; });
    }
  }
}

/** Says a line. */
export function say(line: Line): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** The other end of standard input and output. */
export class Bridge {
  private readonly inboxes = new Map<number, Inbox>();
  private count = 0;
  private readonly streams = new Set<number>();
  /** What the test wants. */
  readonly wishes = new Inbox();

  constructor() {
    createInterface({ input: process.stdin }).on("line", (written) => {
      const line = JSON.parse(written) as Line;
      (typeof line["to"] === "number" ? this.inboxes.get(line["to"]) : this.wishes)?.put(line);
    });
  }

  private begin(line: Line): [number, Inbox] {
    const [number, inbox] = [++this.count, new Inbox()];
    this.inboxes.set(number, inbox);
    say({ ...line, from: number });
    return [number, inbox];
  }

  /** Opens streams. */
  readonly dial: Dial = async (address, method) => {
    const [number, inbox] = this.begin({ dial: address, method });
    let closed: Refused | null = null;
    this.streams.add(number);
    return Promise.resolve({
      read: async () => {
        if (closed !== null) throw closed;
        const line = await inbox.take();
        if (typeof line["message"] === "string") return bytes(line["message"]);
        closed = refusalOf(Number(line["code"]), text(line["reason"]));
        throw closed;
      },
      write: async (message) => {
        say({ from: number, message: base64(message) });
        return Promise.resolve();
      },
      close: () => {
        if (closed === null) say({ from: number, close: true });
        closed = new Refused(Reason.NO_NETWORK);
        inbox.put({ code: 1000, reason: "" });
      },
    });
  };

  /** Cuts every stream, as a network does. */
  cut(): void {
    for (const number of this.streams) {
      say({ from: number, close: true });
      this.inboxes.get(number)?.put({ code: 1006, reason: "" });
    }
    this.streams.clear();
  }

  /** Makes calls to an address. */
  transport(address: string): Transport {
    const ask = (method: DescMethodUnary | DescMethodStreaming, kind: string, request: Bytes, headers: Headers) =>
      this.begin({
        [kind]: address, method: `/${method.parent.typeName}/${method.name}`, request: base64(request), headers: Object.fromEntries(headers),
      });
    return {
      unary: async (method, _signal, _timeoutMs, given, input) => {
        const request = toBinary(method.input, create(method.input, input));
        const [, inbox] = ask(method, "call", request, new Headers(given as ConstructorParameters<typeof Headers>[0]));
        const line = answered(await inbox.take());
        return {
          stream: false, service: method.parent, method, header: new Headers(line["headers"] as Record<string, string>), trailer: new Headers(),
          message: fromBinary(method.output, bytes(text(line["message"]))),
        };
      },
      stream: async (method, signal, _timeoutMs, given, input) => {
        let request: Bytes = new Uint8Array();
        for await (const one of input) request = toBinary(method.input, create(method.input, one));
        const [number, inbox] = ask(method, "follow", request, new Headers(given as ConstructorParameters<typeof Headers>[0]));
        signal?.addEventListener("abort", () => {
          say({ from: number, close: true });
          inbox.put({ refused: "NO_NETWORK" });
        });
        return { stream: true, service: method.parent, method, header: new Headers(), trailer: new Headers(), message: messages(method.output, inbox) };
      },
    } satisfies Transport;
  }
}

async function* messages<O extends DescMessage>(output: O, inbox: Inbox) {
  for (;;) {
    const line = answered(await inbox.take());
    if (typeof line["message"] !== "string") return;
    yield fromBinary(output, bytes(line["message"]));
  }
}

function answered(line: Line): Line {
  if (line["refused"] === undefined) return line;
  const word = text(line["refused"]) as keyof typeof Reason;
  throw new Refused(Reason[word], "", Number(line["retry_after_ms"] ?? 0), line["metadata"] as Record<string, string>);
}

function base64(data: Bytes): string {
  return Buffer.from(data).toString("base64");
}

function bytes(written: string): Bytes {
  return new Uint8Array(Buffer.from(written, "base64"));
}

function text(value: Line[string] | undefined): string {
  return typeof value === "string" ? value : "";
}
