import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** One script and one style sheet, under stable names: the crate adds a strong ETag, and diffs of `dist/` stay small. */
export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./",
  // Lit's licence asks for its notice to stay.
  esbuild: { legalComments: "eof" },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2022",
    cssCodeSplit: false,
    modulePreload: false,
    reportCompressedSize: true,
    rollupOptions: {
      input: fileURLToPath(new URL("ts/main.ts", import.meta.url)),
      output: {
        entryFileNames: "app.js",
        chunkFileNames: "[name].js",
        assetFileNames: "app[extname]",
      },
    },
  },
  test: {
    environment: "happy-dom",
    include: ["ts/**/*.test.ts"],
    // A bound for a test that hangs, on a machine of any speed.
    testTimeout: 120_000,
  },
});
