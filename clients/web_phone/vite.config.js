import { defineConfig } from "vite";

// The page; `vite.worker.config.js` adds the service worker. `scripts/finish.js` then writes down what is in the bundle, for the worker and for people.
export default defineConfig({
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "dist",
    target: "es2022",
    assetsInlineLimit: 0, // nothing inline: the page's policy lets none of it in
    modulePreload: { polyfill: false },
    rollupOptions: {
      checks: { bundlerTimings: false }, // how long its own parts took warns of nothing on a slow machine
      input: { main: "index.html" },
    },
  },
});
