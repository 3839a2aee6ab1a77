// A browser for the tests: Debian's Chromium, driven by playwright-core.
import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'

const PLACES = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

export async function launch() {
  const executablePath = PLACES.find((place) => place && existsSync(place))
  if (!executablePath) throw new Error('no Chromium found: apt-get install chromium, or set CHROMIUM to its path')
  return chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--force-color-profile=srgb'],
  })
}

/** What a page did that it must not: errors, refused content, requests to another host. */
export function watch(page, base) {
  const faults = []
  const host = new URL(base).host
  page.on('pageerror', (error) => faults.push(`error on ${page.url()}: ${error.message}`))
  page.on('console', (message) => {
    // A refusal that a test provokes is logged by the browser itself, and an interface of another test that comes or goes; what is looked for
    // are faults of the page.
    if (message.type() === 'error' && !/status of 4\d\d|ERR_NETWORK_CHANGED/.test(message.text())) faults.push(`console on ${page.url()}: ${message.text()}`)
  })
  page.on('request', (request) => {
    const url = new URL(request.url())
    if (url.protocol.startsWith('http') && url.host !== host) faults.push(`request to another host: ${request.url()}`)
  })
  page.on('dialog', (dialog) => {
    faults.push(`a script ran: ${dialog.message()}`)
    void dialog.dismiss()
  })
  return faults
}

export async function logIn(page, base, { user, password }) {
  await page.goto(base)
  await page.locator('input[name=name]').fill(user)
  await page.locator('input[name=password]').fill(password)
  await page.locator('.login-form .button-main').click()
  await page.locator('.shell').waitFor()
}

/** A page of its own for a part of the tests, with what it did that it must not, and ways to try and to say. */
export async function stage({ browser, base, shots, check }, kind, options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    locale: 'fr-FR',
    timezoneId: 'Europe/Paris',
    ignoreHTTPSErrors: true,
    ...options,
  })
  const page = await context.newPage()
  page.setDefaultTimeout(40_000)
  const get = async (path) => (await context.request.get(`${base}/api/v1${path}`)).json()
  return {
    context,
    page,
    faults: watch(page, base),
    get,
    send: async (method, path, data) =>
      context.request[method](`${base}/api/v1${path}`, { data, headers: { 'X-CSRF-Token': (await get('/session')).csrf } }),
    part: async (name, run) => {
      try {
        await run()
        console.log(`${kind} ${name}`)
      } catch (error) {
        await page.screenshot({ path: `${shots}/${kind}.png` }).catch(() => {})
        check(`${kind} ${name}`, false, error.message)
      }
    },
    expect: (ok, what) => {
      if (!ok) throw new Error(what)
    },
  }
}

/** Waits until a page shows what it has: no skeleton, no request under way. */
export async function settled(page) {
  await page.waitForLoadState('networkidle').catch(() => {})
  await page.waitForFunction(() => !document.querySelector('.skeleton, .chart-wait, .facet-wait, .stale'), null, { timeout: 60_000 })
  // Two frames: charts draw once they know their width.
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
}
