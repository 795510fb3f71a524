/** What is in the bundle. The build fills it in (`scripts/finish.js`): the worker can't know the digests of files that are made with it. */

interface Bundle {
  version: string;
  /** SHA-256 by name. */
  files: Readonly<Record<string, string>>;
}

const bundle = JSON.parse("{{BUNDLE}}") as Bundle;
export const VERSION = bundle.version;
export const FILES = bundle.files;
