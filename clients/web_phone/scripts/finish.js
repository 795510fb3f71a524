/**
 * Finishes a bundle: tells the service worker what is in it, writes down its digest, and refuses one whose first load is too large.
 *
 * The digest is SHA-256 over a line for each file in the order of names, "<sha256 of the file>  <name>\n": what
 * `sha256sum` prints, so that anybody can compute it from the files. `bundle.json` says it and is not in it.
 *
 * The worker is named by its own digest: another version is another worker, which browsers do not take by themselves.
 */

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const DIST = process.argv[2] ?? new URL("../dist/", import.meta.url).pathname;
/** As the build, or an earlier run, left it. */
const WORKER = /^worker(-[0-9a-f]{64})?\.js$/;
const MOST_FIRST_LOAD_BYTES = 200 * 1000;

const sha256 = (data) => createHash("sha256").update(data).digest("hex");
const names = (folder = "") => readdirSync(join(DIST, folder)).flatMap((name) => {
  const path = join(folder, name);
  return statSync(join(DIST, path)).isDirectory() ? names(path) : [path];
});
const read = (name) => readFileSync(join(DIST, name));
/** Whole or not at all: the folder may be served already, and half of a worker is a worker, too. */
const write = (name, content) => {
  writeFileSync(join(DIST, "..", `.${name}.part`), content);
  renameSync(join(DIST, "..", `.${name}.part`), join(DIST, name));
};

/** Lists what a browser loads before the first screen is there: the page, what it names, what that imports, and one language. */
function firstLoad(files) {
  const loaded = new Set(["index.html"]);
  const follow = (name) => {
    for (const [, found] of read(name).toString().matchAll(/["'](?:\.\/|assets\/|\.\/assets\/)([\w.-]+\.(?:js|css))["']/g)) {
      const path = files.find((one) => one.endsWith(`/${found}`) || one === found);
      const isStatic = name === "index.html" || new RegExp(`(?:from|import)\\s*["'][^"']*${found.replace(/\./g, "\\.")}["']`).test(read(name).toString());
      if (path !== undefined && !WORKER.test(path) && isStatic && !loaded.has(path)) {
        loaded.add(path);
        if (path.endsWith(".js")) follow(path);
      }
    }
  };
  follow("index.html");
  for (const name of files) if (/assets\/en-.*\.js$/.test(name)) loaded.add(name);
  return [...loaded];
}

const built = names().find((name) => WORKER.test(name)) ?? "worker.js";
const others = Object.fromEntries(names().filter((name) => name !== "bundle.json" && name !== built).sort().map((name) => [name, sha256(read(name))]));
const version = sha256(JSON.stringify(others)).slice(0, 16);
// Where the build left a place, or where an earlier run filled it.
const PLACE = /JSON\.parse\((["'`])(?:\{\{BUNDLE\}\}|\{\\"version\\".*?\}\})\1\)/;
const unfilled = read(built).toString();
if (!PLACE.test(unfilled)) throw new Error("the service worker has no place for what is in the bundle");
const filled = unfilled.replace(PLACE, () => `JSON.parse(${JSON.stringify(JSON.stringify({ version, files: others }))})`);
const worker = `worker-${sha256(filled)}.js`;
write(worker, filled);

const digests = Object.entries({ ...others, [worker]: sha256(filled) }).sort(([one], [other]) => (one < other ? -1 : 1));
const lines = digests.map(([name, digest]) => `${digest}  ${name}\n`).join("");
write("bundle.json", `${JSON.stringify({ digest: sha256(lines), version, worker })}\n`);
if (built !== worker) rmSync(join(DIST, built)); // once nothing names it
const files = digests.map(([name]) => name);

const loaded = firstLoad(files);
const bytes = loaded.reduce((sum, name) => sum + gzipSync(read(name), { level: 9 }).length, 0);
console.log(`first load: ${Math.round(bytes / 1000)} kB compressed in ${loaded.length} files; digest ${sha256(lines)}`);
if (bytes > MOST_FIRST_LOAD_BYTES) {
  console.error(`too large: at most ${MOST_FIRST_LOAD_BYTES / 1000} kB`);
  process.exit(1);
}
