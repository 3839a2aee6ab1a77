// When each brute force comes to a reader's eyes: the list of cases in Chromium, refreshed as the page offers it. A line for each: what was looked
// for, when "new" was offered and when its row stood there, in milliseconds since 1970. What is looked for comes by standard input.
import { createInterface } from 'node:readline'
import { launch, logIn, settled, watch } from './browser.mjs'

const base = process.env.VIGIE_URL
const browser = await launch()
const context = await browser.newContext({ viewport: { width: 1440, height: 1400 }, ignoreHTTPSErrors: true, locale: 'fr-FR' })
const page = await context.newPage()
const faults = watch(page, base)
await logIn(page, base, { user: process.env.VIGIE_USER, password: process.env.VIGIE_PASSWORD })
await page.goto(`${base}/cases`)
await settled(page)
await page.evaluate(() => {
  const seen = { wanted: null, offered: null, found: null }
  window.seen = seen
  const look = () => {
    if (seen.wanted === null) return
    const fresh = document.querySelector('.fresh')
    if (fresh) {
      seen.offered ??= Date.now()
      fresh.click()
    }
    const row = [...document.querySelectorAll('.row, .empty')].find((one) => one.textContent.includes(seen.wanted) && /brute/i.test(one.textContent))
    // Painted, and not only in the document.
    if (row) requestAnimationFrame(() => setTimeout(() => seen.found?.(Date.now())))
  }
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true })
})
console.log('ready')
for await (const wanted of createInterface({ input: process.stdin })) {
  const [offered, at] = await page.evaluate(
    (wanted) =>
      new Promise((done) => {
        window.seen.offered = null
        window.seen.found = (at) => {
          window.seen.wanted = window.seen.found = null
          done([window.seen.offered, at])
        }
        window.seen.wanted = wanted
      }),
    wanted,
  )
  console.log(`${wanted} ${offered ?? at} ${at}`)
}
for (const fault of faults) console.error(fault)
await browser.close()
process.exit(faults.length ? 1 : 0)
