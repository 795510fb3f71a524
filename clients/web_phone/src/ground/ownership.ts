/** One tab owns the device: two would take the stream from each other, and turn one chain twice. docs/web-phone.md "One tab". */

const LOCK = "dispatch-device";

/**
 * Takes the device for as long as this page lives. Gives whether it did: false while another tab has it, unless `takeOver`.
 * `lost` is called when another tab took it over.
 */
export async function own(takeOver: boolean, lost: () => void): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const held = navigator.locks.request(LOCK, takeOver ? { steal: true } : { ifAvailable: true }, async (lock) => {
      resolve(lock !== null);
      if (lock !== null) await new Promise<never>(() => undefined); // until the page ends
    });
    held.catch((problem: unknown) => {
      if (problem instanceof DOMException && problem.name === "AbortError") lost();
      else reject(problem instanceof Error ? problem : new Error("no lock"));
    });
  });
}
