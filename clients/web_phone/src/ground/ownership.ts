/**
 * One tab owns the device: two would take the stream from each other, and turn one chain twice. The service worker borrows it while no
 * tab has it, to read what is asked and to answer, and gives it to the first tab that comes. docs/web-phone.md "One tab".
 */

const LOCK = "dispatch-device";
const BORROWED = "dispatch-borrowed";
const TAKING = "dispatch-taking";

/**
 * Takes the device for as long as this page lives. Gives whether it did: false while another tab has it, unless `takeOver`.
 * `lost` is called when another tab took it over.
 */
export async function own(takeOver: boolean, lost: () => void): Promise<boolean> {
  // One page after the other looks who has it and takes it: two that start beside a worker would else take it from each other.
  return navigator.locks.request(TAKING, async () => take(takeOver || (await isBorrowed()), lost));
}

/** Whether a worker has the device. One from which it was taken may still be letting go of what it borrowed. */
async function isBorrowed(): Promise<boolean> {
  const { held = [] } = await navigator.locks.query();
  const holder = (of: string): string | undefined => held.find(({ name }) => name === of)?.clientId;
  return holder(BORROWED) !== undefined && holder(BORROWED) === holder(LOCK);
}

async function take(steal: boolean, lost: () => void): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const owning = navigator.locks.request(LOCK, steal ? { steal } : { ifAvailable: true }, async (lock) => {
      resolve(lock !== null);
      if (lock !== null) await new Promise<never>(() => undefined); // until the page ends
    });
    owning.catch((problem: unknown) => {
      if (isStolen(problem)) lost();
      else reject(problem instanceof Error ? problem : new Error("no lock"));
    });
  });
}

/** Uses the device while no page has it; gives null when one has, or comes meanwhile: then `over` says that it is to be let go of. */
export async function borrow<T>(use: (over: AbortSignal) => Promise<T>): Promise<T | null> {
  const ending = new AbortController();
  try {
    return await navigator.locks.request(LOCK, { ifAvailable: true }, async (lock) => {
      if (lock === null) return null;
      // Under a name that says to pages that this may be taken.
      return navigator.locks.request(BORROWED, async () => use(ending.signal));
    });
  } catch (problem) {
    if (isStolen(problem)) return null;
    throw problem;
  } finally {
    ending.abort();
  }
}

function isStolen(problem: unknown): boolean {
  return problem instanceof DOMException && problem.name === "AbortError";
}
