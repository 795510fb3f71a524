/** Waits for what a link comes to show. */

import { effect, type Signal } from "@preact/signals";

import { clock } from "../../ground/clock.js";

/** What counts up when something may look different. */
export interface Watched {
  readonly changed: Signal<number>;
}

/** Waits until it is so, for so many ms at most; gives whether it is. */
export async function until({ changed }: Watched, so: () => boolean, mostMs: number): Promise<boolean> {
  let stop = (): void => undefined;
  await new Promise<void>((resolve) => {
    const impatient = clock.after(mostMs, resolve);
    const watching = effect(() => {
      if (changed.value >= 0 && so()) resolve();
    });
    stop = () => { impatient(); watching(); };
  });
  stop();
  return so();
}
