/** The two ends of the phone in Node: lines of JSON to whoever started it, and what a browser has as fetch and WebSocket to the services. */

import { createInterface } from "node:readline";

import type { Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { WebSocket } from "ws";

import type { Clock, Dial } from "../../src/protocol/thread/carrier.js";
import { dialler, type Socket } from "../../src/protocol/thread/web_socket.js";

export type Line = Record<string, string | number | boolean>;

/** Says a line. */
export function say(line: Line): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Gives each line that comes in. */
export async function* wishes(): AsyncGenerator<Record<string, string>> {
  for await (const written of createInterface({ input: process.stdin })) yield JSON.parse(written) as Record<string, string>;
}

/** Makes calls by Connect, as the page does. */
export function transport(server: string): Transport {
  return createConnectTransport({ baseUrl: `http://${server}`, useBinaryFormat: true });
}

/** Opens streams over WebSockets, and can cut them all, as a network does. */
export class Streams {
  private readonly sockets = new Set<WebSocket>();
  readonly dial: Dial;

  constructor(clock: Clock) {
    this.dial = dialler((url) => {
      const socket = new WebSocket(url);
      this.sockets.add(socket);
      socket.on("close", () => this.sockets.delete(socket));
      return socket as unknown as Socket;
    }, "ws", clock);
  }

  cut(): void {
    for (const socket of this.sockets) socket.terminate();
  }
}
