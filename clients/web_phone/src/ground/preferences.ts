/** What a person chose here that is no secret: the language, whether and when to be called. Kept in localStorage, read once. */

import { type Signal, signal } from "@preact/signals";

/** What can be chosen. */
export interface Chosen {
  /** Empty: the browser's. */
  readonly language: string;
  readonly notify: boolean;
  readonly quiet: boolean;
  /** Minutes of the day. */
  readonly quietFrom: number;
  readonly quietTo: number;
  readonly questionsRing: boolean;
  /** Whether a notification shows what is asked, and takes the answer. */
  readonly answerThere: boolean;
  /** The service that was used last, "pairing.example:443". */
  readonly server: string;
}

const KEY = "dispatch.chosen";
const NONE: Chosen = { language: "", notify: false, quiet: false, quietFrom: 22 * 60, quietTo: 7 * 60, questionsRing: true, answerThere: false, server: "" };

/** The choices of this browser. */
export class Preferences {
  readonly chosen: Signal<Chosen> = signal(read());

  /** Has whoever asks, in an effect or a screen, hear of the next choice. */
  watch(): Chosen {
    return this.chosen.value;
  }

  /** Chooses, and keeps it as far as the browser lets us. */
  choose(change: Partial<Chosen>): void {
    this.chosen.value = { ...this.chosen.value, ...change };
    try {
      localStorage.setItem(KEY, JSON.stringify(this.chosen.value));
    } catch {
      // No room, or storage is off: the choice holds for as long as the page does.
    }
  }
}

function read(): Chosen {
  try {
    const written: unknown = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return typeof written === "object" && written !== null ? { ...NONE, ...written } : NONE;
  } catch {
    return NONE;
  }
}
