/** What the service worker has to know of a person's choices: localStorage is not open to it. Sealed like everything else in the database. */

import type { Database } from "./database.js";
import type { Vault } from "./vault.js";

const PLACE = "for-worker";

/** Of `preferences`. */
export interface WorkerChoices {
  readonly language: string;
  readonly answerThere: boolean;
}

/** Keeps them for the worker. */
export async function tellWorker(database: Database, vault: Vault, { language, answerThere }: WorkerChoices): Promise<void> {
  await database.put("device", await vault.seal(PLACE, { language, answerThere }), PLACE);
}

/** Gives what was kept last; null for nothing. */
export async function toldToWorker(database: Database, vault: Vault): Promise<WorkerChoices | null> {
  const sealed = await database.get("device", PLACE);
  return sealed === undefined ? null : ((await vault.open(PLACE, sealed)) as WorkerChoices);
}
