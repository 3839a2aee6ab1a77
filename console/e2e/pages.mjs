// Every page, in both languages and themes, at several widths: looked at, not blank, no wider than the window, nothing serious for axe.
import { logIn, settled, watch } from './browser.mjs'

const chosen = (name, all) => (process.env[name] ? all.filter((one) => String(one) === process.env[name]) : all)
const WIDTHS = chosen('WIDTH', process.env.QUICK ? [1280, 390] : [390, 1280, 1920, 2560])
const LANGS = chosen('LANG_ONLY', ['fr', 'en'])
const THEMES = chosen('THEME', ['light', 'dark'])

export async function pages({ browser, base, account, axe, shots, check }) {
  for (const lang of LANGS) {
    for (const theme of THEMES) {
      if (process.env.QUICK && (lang === 'fr') !== (theme === 'light')) continue
      for (const width of WIDTHS) {
        const context = await browser.newContext({
          viewport: { width, height: width < 600 ? 844 : width > 2000 ? 1440 : width > 1300 ? 1080 : 900 },
          locale: lang === 'fr' ? 'fr-FR' : 'en-GB',
          timezoneId: 'Europe/Paris',
          colorScheme: theme,
          hasTouch: width < 600,
          ignoreHTTPSErrors: true,
          // axe is put into the page by the test; the page's own policy is checked by `habits`.
          bypassCSP: true,
        })
        const page = await context.newPage()
        const faults = watch(page, base)
        await page.goto(base)
        await page.locator('.login-form').waitFor()
        const name = (what) => `${what}-${lang}-${theme}-${width}`
        await page.screenshot({ path: `${shots}/${name('login')}.png` })
        await look(page, name('login'))
        await logIn(page, base, account)
        await context.request.patch(`${base}/api/v1/session`, {
          data: { lang, theme },
          headers: { 'X-CSRF-Token': (await (await context.request.get(`${base}/api/v1/session`)).json()).csrf },
        })
        for (const [what, path] of await places(context, base)) {
          await page.goto(base + path)
          await settled(page)
          await page.screenshot({ path: `${shots}/${name(what)}.png` })
          await look(page, name(what))
        }
        check(`faults ${lang} ${theme} ${width}`, faults.length === 0, faults.join('\n'))
        await context.close()
      }
    }
  }

  async function look(page, name) {
    const state = await page.evaluate(() => ({
      text: document.body.innerText.trim().length,
      wide: document.documentElement.scrollWidth - innerWidth,
      tall: document.querySelector('.shell') ? document.documentElement.scrollHeight - innerHeight : 0,
      lang: document.documentElement.lang,
    }))
    check(name, state.text > 60, 'the page is blank')
    check(name, state.wide <= 0, `wider than the window by ${state.wide} px`)
    check(name, state.tall <= 0, `the window itself scrolls, by ${state.tall} px`)
    check(name, name.includes(`-${state.lang}-`), `the page's language is ${state.lang}`)
    await page.evaluate(axe)
    const found = await page.evaluate(async () => {
      const { violations } = await globalThis.axe.run(document, { resultTypes: ['violations'] })
      return violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .map(
          ({ id, nodes }) =>
            `${id} ×${nodes.length}: ${nodes
              .slice(0, 2)
              .map((node) => `${node.html.slice(0, 140)} (${node.any[0]?.message ?? ''})`)
              .join(' | ')}`,
        )
    })
    check(`axe ${name}`, found.length === 0, found.join('\n  '))
  }
}

/** Pages to look at, with a case and an asset that this server has. */
async function places(context, base) {
  const first = async (path) => (await (await context.request.get(`${base}/api/v1${path}`)).json()).items?.[0]
  const one = await first('/cases?limit=1&sort=-score')
  // The machine of that case, if it has one: it has something to show.
  const id = one?.entities.find((entity) => entity.asset_id)?.asset_id
  const asset = id ? { id, dataset: one.dataset } : await first('/assets?limit=1&sort=-peers')
  return [
    ['situation', '/?last=7d'],
    ['cases', '/cases'],
    ...(one
      ? [
          ['cases-open', `/cases?open=${one.id}&in=${one.dataset}`],
          ['case', `/cases/${one.id}?in=${one.dataset}`],
          ['case-exclude', `/cases/${one.id}?in=${one.dataset}&do=exclude`],
        ]
      : []),
    ['assets', '/assets'],
    ...(asset ? [['assets-open', `/assets?open=${asset.id}&in=${asset.dataset}`]] : []),
    ...(asset ? [['asset', `/assets/${asset.id}?in=${asset.dataset}&last=7d`]] : []),
    ['explore', '/explore?last=7d'],
    ['explore-empty', '/explore?q=src_ip:192.0.2.1'],
    ['explore-wrong', '/explore?q=nonsense_field:1'],
    ['map', '/map?last=7d'],
    ['map-ribbons', '/map?last=7d&view=flow'],
    ['sensors', '/sensors'],
    ...['datasets', 'exclusions', 'networks', 'retention', 'outputs', 'people', 'tokens', 'audit'].map((section) => [
      `settings-${section}`,
      `/settings?section=${section}&last=30d`,
    ]),
    ['absent', '/no/such/page'],
    ['case-absent', '/cases/no-such-case'],
  ]
}
