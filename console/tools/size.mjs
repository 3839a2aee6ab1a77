// What the first page costs over the wire: everything that Situation loads, compressed. Fails beyond the budget.
import { readdirSync, readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const BUDGET = 500 * 1024
const dist = new URL('../dist/', import.meta.url)
const size = (path) => {
  const bytes = readFileSync(new URL(path, dist))
  return path.endsWith('.woff2') ? bytes.length : gzipSync(bytes, { level: 9 }).length
}
const all = readdirSync(new URL('assets/', dist)).map((name) => `assets/${name}`)
const read = new Map()
const follow = (path) => {
  if (read.has(path)) return
  read.set(path, size(path))
  if (!path.endsWith('.js')) return
  // Static imports only: what a page asks for later is not its first paint.
  for (const [, name] of readFileSync(new URL(path, dist), 'utf8').matchAll(/(?:from|import)\s*["']\.\/([^"']+)["']/g))
    follow(`assets/${name}`)
}
for (const [, path] of readFileSync(new URL('index.html', dist), 'utf8').matchAll(/(?:src|href)="\/([^"]+)"/g)) follow(path)
const situation = all.find((path) => path.endsWith('.js') && /situation-cases/.test(readFileSync(new URL(path, dist), 'utf8')))
if (!situation) throw new Error('no chunk has the Situation page')
follow(situation)
for (const path of all.filter((one) => /\/fr-/.test(one) || /(inter-latin-wght|jetbrains)/.test(one))) follow(path)
const total = [...read.values()].reduce((sum, one) => sum + one, 0)
for (const [path, bytes] of [...read].sort((a, b) => b[1] - a[1])) console.log(`${String(bytes).padStart(8)}  ${path}`)
console.log(`${String(total).padStart(8)}  first page, of ${BUDGET}; all of dist/assets: ${all.reduce((sum, path) => sum + size(path), 0)}`)
process.exit(total > BUDGET ? 1 : 0)
