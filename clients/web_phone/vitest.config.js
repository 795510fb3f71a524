import { defineConfig } from "vitest/config";

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  // No test is judged by how busy the machine is.
  test: { include: ["tests/**/*.test.ts"], testTimeout: 300_000 },
});
