/** Draws the icons as PNG from their SVG, into the bundle: phones and installers take no SVG, and the repository has no pictures. */

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

import { initWasm, Resvg } from "@resvg/resvg-wasm";

const DIST = new URL("../dist/", import.meta.url).pathname;
// 180 is the iPhone's, which draws no transparent corner: it gets the one that fills its square.
const ICONS = { "icon-192.png": ["icon.svg", 192], "icon-512.png": ["icon.svg", 512], "icon-maskable-512.png": ["icon-maskable.svg", 512], "icon-180.png": ["icon-maskable.svg", 180] };

await initWasm(readFileSync(createRequire(import.meta.url).resolve("@resvg/resvg-wasm/index_bg.wasm")));
for (const [name, [source, pixels]] of Object.entries(ICONS)) {
  const drawn = new Resvg(readFileSync(join(DIST, source), "utf8"), { fitTo: { mode: "width", value: pixels }, font: { loadSystemFonts: false } });
  writeFileSync(join(DIST, name), drawn.render().asPng());
}
