/**
 * The seam between the protocol and what carries it: messages in, messages out, an end with a reason. And the time.
 *
 * A browser's is a WebSocket (`web_socket`); a test's may be anything.
 */

import type { Bytes } from "../bytes.js";

/** One stream. One reads, one writes, never two at once. */
export interface Carrier {
  /** Gives the next message. Rejects with Refused when the stream is over, saying why. */
  read(): Promise<Bytes>;
  /** Writes a message; resolves when the next one may be written. Rejects with Refused. */
  write(message: Bytes): Promise<void>;
  /** Ends it; `read` rejects. Repeating it is safe. */
  close(): void;
}

/**
 * Opens a stream of a method ("/package.Service/Method") at an address. Rejects with Refused. `ending` closes it, also while it is on its
 * way: a browser has one socket at a time that is not open yet to an address, and whatever is dialled behind a forgotten one waits.
 */
export type Dial = (address: string, method: string, ending: AbortSignal) => Promise<Carrier>;

/**
 * Tells the time and waits. `nowMs` never goes back. It should run while the device sleeps; where it stands still then, deadlines come
 * early, which is the safe side.
 */
export interface Clock {
  nowMs(): number;
  /** For people. It decides nothing but that a session is too old (`naps`). */
  wallMs(): number;
  /** Calls back after so many ms, once, and up to a few ms sooner than by `nowMs`; what it gives takes that back. */
  after(ms: number, call: () => void): () => void;
}
