/** A stream over a WebSocket: one binary message is one message of the contract. docs/web.md "Streams over a WebSocket". */

import type { Bytes } from "../bytes.js";
import { Reason } from "../dispatch/api/error/v1/error_pb.js";
import { Refused } from "../errors.js";
import type { Carrier, Clock, Dial } from "./carrier.js";
import { refusalOf } from "./close.js";

/** What of a browser's WebSocket is used; the `ws` of Node has it, too. */
export interface Socket {
  binaryType: string;
  readonly bufferedAmount: number;
  readonly readyState: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: ((event: never) => void) | null;
  send(message: Bytes): void;
  close(code?: number): void;
}

/** Bytes that may wait in the browser for the network before no more is written. A WebSocket does not say when it is ready again. */
export const MOST_BUFFERED_BYTES = 256 * 1024;
export const LOOK_AGAIN_MS = 20;
/** The `readyState` of a WebSocket that may be written to. */
export const OPEN = 1;
/** Messages that wait to be read before the stream is given up: a relay keeps far below that. */
export const MOST_UNREAD = 4_096;

/** Makes what dials: `open` makes a WebSocket to a URL, `scheme` is that of the page, "wss" or "ws". */
export function dialler(open: (url: string) => Socket, scheme: "ws" | "wss", clock: Clock): Dial {
  return async (address, method, ending) =>
    new Promise((resolve, reject) => {
      if (ending.aborted) {
        reject(new Refused(Reason.NO_NETWORK, "closed here"));
        return;
      }
      let socket: Socket;
      try {
        socket = open(`${scheme}://${address}${method}`);
      } catch {
        reject(new Refused(Reason.NO_RELAY, "an address that can't be dialled"));
        return;
      }
      const carrier = new SocketCarrier(socket, clock);
      ending.addEventListener("abort", () => { carrier.close(); }, { once: true });
      socket.onopen = () => { resolve(carrier); };
      carrier.ended.catch(reject);
    });
}

class SocketCarrier implements Carrier {
  private readonly unread: Bytes[] = [];
  private waiting: { resolve: (message: Bytes) => void; reject: (why: Refused) => void } | null = null;
  private why: Refused | null = null;
  private end: (why: Refused) => void = () => undefined;
  /** Rejects when the stream is over. */
  readonly ended: Promise<never> = new Promise((_, reject) => { this.end = reject; });

  constructor(
    private readonly socket: Socket,
    private readonly clock: Clock,
  ) {
    this.ended.catch(() => undefined); // who reads hears it as well
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => { this.take(data); };
    socket.onclose = ({ code, reason }) => { this.over(refusalOf(code, reason)); };
    socket.onerror = () => undefined; // a close follows, and says more
  }

  async read(): Promise<Bytes> {
    const message = this.unread.shift();
    if (message !== undefined) return message;
    if (this.why !== null) throw this.why;
    return new Promise((resolve, reject) => { this.waiting = { resolve, reject }; });
  }

  async write(message: Bytes): Promise<void> {
    if (this.why !== null) throw this.why;
    // Closing, and its end not told yet: what is sent is lost in any case, and the browser would complain to whoever looks.
    if (this.socket.readyState === OPEN) this.socket.send(message);
    while (this.socket.bufferedAmount > MOST_BUFFERED_BYTES) {
      await Promise.race([this.ended, new Promise<void>((resolve) => this.clock.after(LOOK_AGAIN_MS, resolve))]);
    }
  }

  close(): void {
    this.unread.length = 0; // who closes hears nothing more
    this.socket.close(1000);
    this.over(new Refused(Reason.NO_NETWORK, "closed here"));
  }

  private take(data: unknown): void {
    if (this.why !== null) return;
    const fits = data instanceof ArrayBuffer && this.unread.length < MOST_UNREAD;
    if (!fits) {
      this.over(new Refused(Reason.PROTOCOL_VIOLATION, "no binary message, or far too many"));
      this.socket.close(1000);
    } else if (this.waiting !== null) {
      const { resolve } = this.waiting;
      this.waiting = null;
      resolve(new Uint8Array(data));
    } else {
      this.unread.push(new Uint8Array(data));
    }
  }

  private over(why: Refused): void {
    if (this.why !== null) return;
    this.why = why;
    this.waiting?.reject(why);
    this.waiting = null;
    this.end(why);
  }
}
