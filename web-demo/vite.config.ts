import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { compress, onlyWoff2 } from './vite.plugins.ts';

export default defineConfig({
  // Relative: the page also works when the app is mounted under a path.
  base: './',
  plugins: [react(), onlyWoff2(), compress()],
  build: {
    outDir: '../server/usechat_server/page',
    emptyOutDir: true,
    target: 'baseline-widely-available',
    // Nothing inlined: the page's content security policy allows no `data:` but pictures.
    assetsInlineLimit: 0,
    // Half of the first load is React, a third the AI SDK and its schemas.
    chunkSizeWarningLimit: 650,
    rolldownOptions: {
      checks: { bundlerTimings: false },
      // "use client" at the top of a library's file means nothing in a page without a server part.
      onLog(level, log, handle) {
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') handle(level, log);
      },
    },
  },
  // `npm run dev` beside a server on its default port.
  server: { proxy: { '/api': { target: 'http://127.0.0.1:8000', changeOrigin: true } } },
});
