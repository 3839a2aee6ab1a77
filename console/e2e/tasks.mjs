// The half hour of a new user: eight tasks, each at most six clicks from Situation.
import { logIn, settled, stage } from './browser.mjs'

const CLICKS_MAX = 6

export async function tasks({ browser, base, account, shots, check }) {
  const { context, page, faults, get, expect } = await stage({ browser, base, shots, check }, 'task', {
    acceptDownloads: true,
    permissions: ['clipboard-read', 'clipboard-write'],
  })
  await logIn(page, base, account)
  let clicks = 0
  const click = async (target) => {
    clicks++
    await (typeof target === 'string' ? page.locator(target).first() : target).click()
    await settled(page)
  }
  const task = async (name, run) => {
    clicks = 0
    await page.goto(`${base}/`)
    await settled(page)
    try {
      await run()
      check(`task ${name}`, clicks <= CLICKS_MAX, `${clicks} clicks`)
      console.log(`task ${name}: ${clicks} clicks`)
    } catch (error) {
      check(`task ${name}`, false, error.message)
    }
  }
  const nav = (name) => page.locator(`.nav-link[href^="${name}"]`)
  const openCases = (await get('/cases?state=new,acknowledged,in_progress&sort=-score&limit=5')).items
  const talked =
    openCases.flatMap((one) => one.entities).find((entity) => entity.role === 'victim' && entity.ip) ??
    openCases[0]?.entities.find((entity) => entity.ip)

  await task('1 who talked to an address last night', async () => {
    await page.keyboard.press('/')
    await page.keyboard.type(talked.ip)
    await page.keyboard.press('Enter')
    await page.waitForURL(/assets|explore/)
    await settled(page)
    if (page.url().includes('/assets/')) await click('.page-actions a[href*="/explore"]')
    await page.locator('.row').first().waitFor()
    expect((await page.locator('.row').first().innerText()).length > 10, 'an empty row')
  })
  await task('3 every machine that speaks Telnet', async () => {
    await click(nav('/explore'))
    await page.locator('.query-input').fill('app_proto:telnet')
    await page.keyboard.press('Enter')
    await page.waitForURL(/telnet/)
    await settled(page)
    expect(await page.locator('.facet, .empty').first().isVisible(), 'neither machines nor a word that there are none')
  })
  await task('4 which devices appeared this week', async () => {
    await click('.top-controls .control')
    await click(page.locator('.range-presets .menu-item').nth(2))
    expect(page.url().includes('last=7d'), 'the week is not in the URL')
    const first = page.locator('.change-list a').first()
    if (await first.count()) {
      await click(first)
      await page.waitForURL(/assets\//)
      await settled(page)
      expect((await page.locator('table.plain tbody tr').count()) > 0, 'no facts with their reasons')
    }
  })
  await task('5 give a case to a colleague with a comment', async () => {
    await click('.case-item-title')
    await page.waitForURL(/cases\//)
    await settled(page)
    const owner = page.locator('.inline-field select')
    const names = await owner.locator('option').evaluateAll((options) => options.map((option) => option.value).filter(Boolean))
    clicks++
    await owner.selectOption(names.at(-1))
    await page.locator('.note').first().waitFor()
    await page.locator('#comment').fill('Peux-tu regarder ? Merci.')
    await click('.comment .button-main')
    await page.locator('.trail-text', { hasText: 'Peux-tu regarder' }).first().waitFor()
  })
  await task('6 was the sensor blind', async () => {
    await click(nav('/sensors'))
    expect((await page.locator('.sentence').innerText()).length > 20, 'no sentence')
    expect(await page.locator('.coverage, .sensor').first().isVisible(), 'no coverage')
  })
  await task('7 send the link of what one sees', async () => {
    await click(nav('/cases'))
    await click(page.locator('.row').first())
    await click(page.locator('.copy-link'))
    const link = await page.evaluate(() => navigator.clipboard.readText())
    const title = await page.locator('.panel h2').first().innerText()
    const other = await context.newPage()
    await other.goto(link)
    await settled(other)
    expect((await other.locator('.panel h2').first().innerText()) === title, 'the link shows something else')
    await other.close()
  })
  await task('8 export the flows behind a case', async () => {
    await click('.case-item-title')
    await page.waitForURL(/cases\//)
    await settled(page)
    const [download] = await Promise.all([page.waitForEvent('download'), click('.page-actions a[href*="/flows"]')])
    expect(download.suggestedFilename().endsWith('.csv'), download.suggestedFilename())
    // The packets too, where the captures are kept.
    const packets = page.locator('.page-actions a[href*="/packets"]')
    if (await packets.count()) {
      const [file] = await Promise.all([page.waitForEvent('download'), click(packets.first())])
      expect(file.suggestedFilename().endsWith('.pcapng'), file.suggestedFilename())
    } else {
      expect((await page.locator('.page-actions p').innerText()).length > 10, 'not said why there are no packets')
    }
  })
  // Last, since it takes a case away.
  await task('2 close a false case so that it does not come back', async () => {
    await click('.case-item >> nth=-1 >> .case-item-title')
    await page.waitForURL(/cases\//)
    await settled(page)
    await click('.report-side > section:first-child > .button')
    await page.locator('.preview:not(.stale) li').first().waitFor()
    expect((await page.locator('.preview .warned').count()) === 0, 'the exclusion would not hide this case')
    await page.locator('.exclusion input[name=reason]').fill('Normal ici : ticket 1234')
    await click('.exclusion .button-main')
    await page.locator('.page-head .state-closed').waitFor()
    // It is put away and not lost: closed, marked, and behind the exclusion's count.
    const title = await page.locator('h1').innerText()
    await page.locator('.trail').getByText('ticket 1234').waitFor()
    for (const list of ['/cases?state=closed', '/cases?state=all']) {
      await page.goto(base + list)
      await page.locator('.row', { hasText: title }).locator('.state-line .tag').first().waitFor()
    }
    await page.goto(`${base}/settings?section=exclusions`)
    await page.locator('tr', { hasText: 'ticket 1234' }).locator('td.figure a').click()
    await page.waitForURL(/excluded=/)
    await page.locator('.row', { hasText: title }).first().waitFor()
  })
  check('tasks: faults', faults.length === 0, faults.join('\n'))
  await context.close()
}
