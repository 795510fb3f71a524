import tseslint from "typescript-eslint";

// The protocol takes time, randomness and I/O as arguments, so that it can be tested and runs in a page, a service worker and Node.
const notPure = ["Date", "performance", "crypto", "setTimeout", "setInterval", "fetch", "WebSocket", "indexedDB", "Buffer", "process", "window", "document"];

export default [
  // What protobuf-es wrote is its own affair.
  { ignores: ["out/", "node_modules/", "src/protocol/dispatch/", "src/protocol/google/", "*.js", "dist/", "scripts/"] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { project: ["./tsconfig.json", "./tsconfig.app.json", "./tsconfig.worker.json"], tsconfigRootDir: import.meta.dirname } },
    rules: {
      // Numbers of bytes and steps in a message need no String() around them.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // Enums of the contract are compared with numbers that came over the wire, which may be ones that this version does not know.
      "@typescript-eslint/no-unsafe-enum-comparison": "off",
      "@typescript-eslint/promise-function-async": "error",
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
    },
  },
  // A form's or a button's handler may be a promise: what it rejects with is shown by who makes it.
  { files: ["src/app/**/*.tsx"], rules: { "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: false }] } },
  // A vector's shape is what its reader says that it is.
  { files: ["tests/**/*.ts"], rules: { "@typescript-eslint/no-unnecessary-type-parameters": "off" } },
  {
    files: ["src/protocol/**/*.ts"],
    rules: {
      "no-restricted-globals": ["error", ...notPure.map((name) => ({ name, message: "The protocol is pure: take it as an argument." }))],
      "no-restricted-imports": ["error", { patterns: [{ group: ["node:*"], message: "The protocol runs in browsers." }] }],
      "no-restricted-properties": ["error", { object: "Math", property: "random", message: "Randomness is an argument." }],
    },
  },
];
