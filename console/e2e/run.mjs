// The console in a real browser. Against the mock (`npm run smoke`), or any server:
//   VIGIE_URL=https://127.0.0.1:8443 VIGIE_USER=admin VIGIE_PASSWORD=... npm run e2e
// SHOTS=folder keeps a screenshot of every page; ONLY=habits|dangers|pages|tasks runs a part; QUICK=1 takes two of the four looks at two
// of the four widths; WIDTH, LANG_ONLY and THEME take one of each.
import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { launch } from './browser.mjs'
import { dangers } from './dangers.mjs'
import { habits } from './habits.mjs'
import { pages } from './pages.mjs'
import { tasks } from './tasks.mjs'

const mock = process.argv.includes('--mock')
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
let base = process.env.VIGIE_URL
let server
if (mock) {
  const { makeServer } = await import('../mock/server.mjs')
  server = makeServer({ events: 6000 })
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready))
  base = `http://127.0.0.1:${server.address().port}`
}
if (!base) {
  console.error('e2e: say where the server is (VIGIE_URL, VIGIE_USER, VIGIE_PASSWORD), or pass --mock')
  process.exit(2)
}
const account = { user: process.env.VIGIE_USER ?? 'admin', password: process.env.VIGIE_PASSWORD ?? 'vigie' }
const shots = process.env.SHOTS ?? new URL('../shots', import.meta.url).pathname
mkdirSync(shots, { recursive: true })

const browser = await launch()
const failures = []
const check = (what, ok, detail = '') => {
  if (ok) return
  failures.push(`${what}${detail ? `: ${detail}` : ''}`)
  console.log(`FAILED ${failures.at(-1)}`)
}
const bench = { browser, base, account, mock, axe, shots, check }
// The tasks change what is there, so they come last.
for (const [name, run] of Object.entries({ habits, dangers, pages, tasks })) {
  if (process.env.ONLY && process.env.ONLY !== name) continue
  try {
    await run(bench)
  } catch (error) {
    check(name, false, error.stack)
  }
}
await browser.close()
server?.closeAllConnections()
server?.close()
console.log(failures.length ? `${failures.length} failures` : 'all well')
process.exit(failures.length ? 1 : 0)
