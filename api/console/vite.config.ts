import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

// The program serves the console from its own memory and compresses nothing at
// run time, so each file gets its compressed twins here, once.
function twins(): Plugin {
  return {
    name: "compressed-twins",
    apply: "build",
    enforce: "post",
    generateBundle(_options, bundle) {
      for (const [name, file] of Object.entries(bundle)) {
        if (!/\.(js|css|html|svg|json)$/.test(name)) continue;
        const source = Buffer.from(file.type === "chunk" ? file.code : file.source);
        if (source.length < 1024) continue;
        this.emitFile({ type: "asset", fileName: `${name}.gz`, source: gzipSync(source, { level: 9 }) });
        this.emitFile({
          type: "asset",
          fileName: `${name}.br`,
          source: brotliCompressSync(source, { params: { [constants.BROTLI_PARAM_QUALITY]: 10 } }),
        });
      }
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
