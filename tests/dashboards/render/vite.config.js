// Builds the page that draws a dashboard into the folder that the Python side names and serves.
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [react()],
  base: './',
  // Parts of Grafana ask which program they run in.
  define: { 'process.env.NODE_ENV': '"production"' },
  build: { outDir: process.env.RENDER_OUT ?? 'dist', emptyOutDir: true, chunkSizeWarningLimit: 10_000 },
  logLevel: 'warn',
});
