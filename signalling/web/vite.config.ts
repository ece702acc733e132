import { defineConfig } from 'vite';

export default defineConfig({
  base: './',
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 800,
    rollupOptions: {
      output: {
        // The SDK changes seldom, the page often: browsers keep the larger file.
        manualChunks: (id) => (id.includes('node_modules') ? 'livekit' : undefined),
      },
    },
  },
  server: {
    proxy: {
      '/token': 'http://127.0.0.1:7880',
      '/rtc': { target: 'ws://127.0.0.1:7880', ws: true },
    },
  },
});
