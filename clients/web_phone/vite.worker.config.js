import { defineConfig } from "vite";

// The service worker: one file with everything in it. Not every browser takes a worker that is a module, and what the page
// loads stays as it was when only the worker changes.
export default defineConfig({
  base: "./",
  publicDir: false,
  build: {
    outDir: "dist",
    emptyOutDir: false, // the page is in it
    target: "es2022",
    modulePreload: false,
    rollupOptions: {
      checks: { bundlerTimings: false }, // how long its own parts took warns of nothing on a slow machine
      input: { worker: "src/worker/worker.ts" },
      output: { format: "iife", entryFileNames: "worker.js" },
    },
  },
});
