import { defineConfig } from "vitest/config";

// No test is judged by how busy the machine is.
export default defineConfig({ test: { include: ["tests/**/*.test.ts"], testTimeout: 300_000 } });
