import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

/** Where `npm run dev` sends API requests: the mock by default, a real server by `VIGIE_API=https://127.0.0.1:8443`. */
const api = process.env.VIGIE_API ?? 'http://127.0.0.1:8477'

export default defineConfig({
  plugins: [react()],
  build: {
    target: 'es2022',
    // Everything is a file with a hashed name: the server's policy allows no `data:` for fonts and no inline script.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  server: { proxy: { '/api': { target: api, secure: false } } },
  preview: { proxy: { '/api': { target: api, secure: false } } },
  test: { include: ['src/**/*.spec.ts', 'mock/*.spec.mjs'] },
})
