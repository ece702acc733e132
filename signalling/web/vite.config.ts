import { defineConfig } from 'vite';

export default defineConfig({
  base: './',
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 800,
    rollupOptions: {
      input: { index: 'index.html', calls: 'src/calls/index.ts' },
      // The page takes no more of the calls' client than it needs; others need all of it.
      preserveEntrySignatures: 'exports-only',
      output: {
        entryFileNames: ({ name }) => (name === 'calls' ? 'calls.js' : 'assets/[name]-[hash].js'),
        // The SDK changes seldom, the page often: browsers keep the larger file.
        manualChunks: (id) => (id.includes('node_modules') ? 'livekit' : undefined),
      },
    },
  },
  server: {
    proxy: {
      '/token': 'http://127.0.0.1:7880',
      '/calls': { target: 'ws://127.0.0.1:7880', ws: true },
      '/rtc': { target: 'ws://127.0.0.1:7880', ws: true },
    },
  },
});
