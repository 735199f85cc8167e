import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

// The program serves the console from its own memory and compresses nothing at
// run time, so each file gets its compressed twins here, once: from what was
// written to disk, because other plugins still change a bundle before that.
function twins(): Plugin {
  return {
    name: "compressed-twins",
    apply: "build",
    writeBundle: {
      order: "post",
      sequential: true,
      handler(options, bundle) {
        for (const name of Object.keys(bundle)) {
          if (!/\.(js|css|html|svg|json)$/.test(name)) continue;
          const path = join(options.dir ?? "dist", name);
          const source = readFileSync(path);
          if (source.length < 1024) continue;
          writeFileSync(`${path}.gz`, gzipSync(source, { level: 9 }));
          writeFileSync(`${path}.br`, brotliCompressSync(source, { params: { [constants.BROTLI_PARAM_QUALITY]: 10 } }));
        }
      },
    },
  };
}

// dist/.keep is committed, so that the program compiles before the console was
// ever built; emptying dist must put it back.
function keep(): Plugin {
  return {
    name: "keep",
    apply: "build",
    generateBundle() {
      this.emitFile({ type: "asset", fileName: ".keep", source: "" });
    },
  };
}

export default defineConfig({
  plugins: [react(), keep(), twins()],
  build: { target: "es2022", chunkSizeWarningLimit: 700, reportCompressedSize: false },
  server: {
    proxy: { "/api": process.env.FAIRLEAD ?? "http://127.0.0.1:8470" },
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
} as Parameters<typeof defineConfig>[0]);
