import preact from "@preact/preset-vite";
import { defineConfig } from "vite";

// The pages are served by Coterie itself, from the wheel. `npm run dev` serves them with a running service behind.
const service = process.env.COTERIE_URL ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [preact({ devToolsEnabled: false, prefreshEnabled: false })],
  server: { proxy: Object.fromEntries(["/v1", "/session"].map((path) => [path, service])) },
  build: {
    outDir: "../src/coterie/console/static",
    emptyOutDir: true,
    assetsInlineLimit: 0, // the Content-Security-Policy lets nothing stand inline
    modulePreload: { polyfill: false },
    target: "es2022",
    sourcemap: false,
  },
});
