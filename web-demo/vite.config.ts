import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { precompressAssets, woff2Only } from './vite.plugins.ts';

export default defineConfig({
  // Relative URLs, so that the app can be mounted under a path.
  base: './',
  plugins: [react(), woff2Only(), precompressAssets()],
  build: {
    outDir: '../server/usechat_server/page',
    emptyOutDir: true,
    target: 'baseline-widely-available',
    // Inline nothing: the content security policy allows `data:` URLs for images only.
    assetsInlineLimit: 0,
    // In kB. Half of the first load is React, a third the AI SDK with its schemas.
    chunkSizeWarningLimit: 650,
    rolldownOptions: {
      checks: { bundlerTimings: false },
      // A library's "use client" directive has no effect without server components.
      onLog(level, log, handle) {
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') handle(level, log);
      },
    },
  },
  // `npm run dev` forwards API requests to a server on its default port. The Host header stays, so
  // that the server sees a request of the same origin.
  server: { proxy: { '/api': { target: 'http://127.0.0.1:8000', changeOrigin: false } } },
});
