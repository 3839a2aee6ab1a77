// What a person relies on without thinking of it. The parts that need a server that misbehaves run against the mock only.
import { logIn, settled, stage } from './browser.mjs'

const ROWS = 100_000
/** Rows in the document at most, however long the list: what makes it smooth. Frame times are printed, not judged: they are the machine's. */
const DRAWN_MAX = 120

export async function habits({ browser, base, account, mock, shots, check }) {
  const { context, page, faults, get, send, part, expect } = await stage({ browser, base, shots, check }, 'habit', { viewport: { width: 1440, height: 900 } })
  const go = async (path) => {
    await page.goto(base + path)
    await settled(page)
  }

  await part('the log-in page keeps the address that was asked for', async () => {
    await page.goto(`${base}/cases?state=closed`)
    await page.locator('input[name=name]').fill(account.user)
    await page.locator('input[name=password]').fill('wrong-password')
    await page.locator('.login-form .button-main').click()
    await page.locator('.field-error').waitFor()
    await page.locator('input[name=password]').fill(account.password)
    await page.locator('.login-form .button-main').click()
    await page.locator('.shell').waitFor()
    expect(page.url().endsWith('/cases?state=closed'), page.url())
  })
  if (mock)
    await part('the password that must be changed: an empty form that names the wrong field', async () => {
      const other = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-GB' })
      const form = await other.newPage()
      await form.goto(base)
      await form.locator('input[name=name]').fill('neuf')
      await form.locator('input[name=password]').fill('vigie')
      await form.locator('.login-form .button-main').click()
      await form.locator('input[name=old]').waitFor()
      const held = await form.locator('.login-form input').evaluateAll((all) => all.map((one) => one.value))
      expect(held.join('') === '' && held.length === 3, `the form opens with ${JSON.stringify(held)}`)
      await form.locator('input[name=old]').fill('not-the-one')
      await form.locator('input[name=new]').fill('short')
      await form.locator('input[name=repeat]').fill('short')
      await form.locator('.login-form .button-main').click()
      await form.locator('input[name=new][aria-invalid=true]').waitFor()
      await form.locator('input[name=new]').fill('long enough to be taken')
      await form.locator('.login-form .button-main').click()
      await form.locator('input[name=repeat][aria-invalid=true]').waitFor()
      await form.locator('input[name=repeat]').fill('long enough to be taken')
      await form.locator('.login-form .button-main').click()
      await form.locator('input[name=old][aria-invalid=true]').waitFor()
      await other.close()
    })
  // A quick run against the mock takes only what needs the mock: the rest is tried on the real server.
  const both = (name, run) => (mock && process.env.QUICK ? undefined : part(name, run))
  await both('keys: pages, rows, panel, help', async () => {
    await go('/')
    await page.keyboard.press('g')
    await page.keyboard.press('c')
    await page.waitForURL(/\/cases/)
    await page.locator('.row').first().waitFor()
    await page.keyboard.press('j')
    await page.keyboard.press('Enter')
    await page.locator('.panel').waitFor()
    const first = await page.locator('.panel h2').innerText()
    await page.keyboard.press('j')
    await page.waitForFunction((title) => document.querySelector('.panel h2')?.textContent !== title, first)
    await page.keyboard.press('Escape')
    await page.locator('.panel').waitFor({ state: 'detached' })
    await page.keyboard.press('?')
    await page.locator('dialog[open] kbd').first().waitFor()
    await page.keyboard.press('Escape')
    await page.keyboard.press('/')
    expect(await page.evaluate(() => document.activeElement?.getAttribute('name') === 'search'), 'the search box has no focus')
  })
  await both('Esc closes what is open on a case, and leaves it never', async () => {
    await go('/cases')
    await page.locator('.row').first().click()
    await page.locator('.panel a[href*="/cases/"]').first().click()
    await page.locator('.report-side .case-actions').waitFor()
    const here = new URL(page.url()).pathname
    const stays = async (what) => {
      await page.waitForTimeout(200)
      expect(new URL(page.url()).pathname === here, `Esc in ${what} left the case`)
    }
    await page.locator('.report-side .roles .value').first().click({ button: 'right' })
    await page.locator('.menu').waitFor()
    await page.keyboard.press('Escape')
    await page.locator('.menu').waitFor({ state: 'detached' })
    await stays('a menu')
    await page.locator('.top-controls .control').first().click()
    await page.locator('.popover.range').waitFor()
    await page.keyboard.press('Escape')
    await page.locator('.popover.range').waitFor({ state: 'detached' })
    await stays('the time control')
    await page.locator('.report-side [aria-expanded]').click()
    await page.locator('.closing').waitFor()
    await page.keyboard.press('Escape')
    await page.locator('.closing').waitFor({ state: 'detached' })
    await stays('the verdicts')
    await page.keyboard.press('x')
    await page.locator('.exclusion input[name=reason]').fill('x')
    await page.keyboard.press('Escape')
    await page.locator('.exclusion').waitFor({ state: 'detached' })
    await stays('the exclusion')
  })
  await both('Back keeps the filter', async () => {
    await go('/cases')
    await page.locator('.segments button').last().click()
    await page.waitForURL(/state=all/)
    await page.locator('.nav-link[href^="/sensors"]').click()
    await page.waitForURL(/sensors/)
    await page.goBack()
    await page.waitForURL(/state=all/)
    expect((await page.locator('.segments button').last().getAttribute('aria-pressed')) === 'true', 'the filter is gone')
  })
  await both('the menu of a value filters, excludes and counts', async () => {
    await go('/explore?last=7d')
    await page.locator('.row .value-pair').first().hover()
    await page.locator('.row .value-more').first().click()
    await page.locator('.menu .menu-item').nth(4).click()
    await page.locator('.menu .spark').waitFor()
    await page.locator('.menu .menu-item').first().click()
    await page.waitForURL(/q=src_ip/)
    await page.locator('.row').first().waitFor()
    await page.locator('.row .value.mono').first().click({ button: 'right' })
    await page.locator('.menu .menu-item').nth(1).click()
    await page.waitForURL(/q=-src_ip/)
  })
  await both('a click on a machine opens it; its menu opens by the other button, a key, a finger that rests', async () => {
    await go('/assets')
    const name = page.locator('.row .asset-name .value').first()
    const shown = (await name.innerText()).trim()
    await name.click({ button: 'right' })
    await page.locator('.menu .menu-head').waitFor()
    await page.keyboard.press('Escape')
    await name.focus()
    await page.keyboard.press('m')
    await page.locator('.menu .menu-head').waitFor()
    await page.keyboard.press('Escape')
    await name.click()
    await page.waitForURL(/assets\/\w/)
    await settled(page)
    expect((await page.locator('h1').innerText()).includes(shown.replace('…', '')), `not the page of ${shown}`)
    const phone = await browser.newContext({ storageState: await context.storageState(), viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, ignoreHTTPSErrors: true })
    const small = await phone.newPage()
    await small.goto(base)
    await settled(small)
    const value = small.locator('.case-item .value').first()
    await value.dispatchEvent('touchstart', { touches: [], changedTouches: [], targetTouches: [] })
    await small.locator('.menu .menu-head').waitFor()
    await value.dispatchEvent('touchend', { touches: [], changedTouches: [], targetTouches: [] })
    expect(new URL(small.url()).pathname === '/', 'a finger that rests went away')
    await phone.close()
  })
  if (!mock)
    await part('a case tells what was done after the log-in that succeeded; what refuses is said in French; shifted times are marked', async () => {
      const found = (await get('/cases')).items.find((one) => one.detectors.includes('brute_force'))
      await go(`/cases/${found.id}`)
      await page.locator('.session .session-steps li').first().waitFor()
      expect(/230/.test(await page.locator('.session').first().innerText()), 'the session does not show its log-in')
      await page.locator('.session > a').first().click()
      await page.waitForURL(/explore.*control_flow_id/)
      await page.locator('.row').first().waitFor()
      await page.locator('.shifted').waitFor()
      await go('/explore?q=src_ipp:10.0.0.1')
      const said = await page.locator('.query-wrong').innerText()
      expect(/Le champ « src_ipp » n’existe pas/.test(said) && /src_ip\b(?!p)/.test(said), said)
    })
  await both('fields complete as one types', async () => {
    await go('/explore')
    await page.locator('.query-input').click()
    await page.keyboard.type('dest_po')
    await page.locator('.offer').first().waitFor()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    expect((await page.locator('.query-input').inputValue()) === 'dest_port:', await page.locator('.query-input').inputValue())
  })
  await both('a brush over the chart chooses the range', async () => {
    await go('/explore?last=7d')
    const box = await page.locator('.chart-plot').boundingBox()
    await page.mouse.move(box.x + box.width * 0.5, box.y + 40)
    await page.mouse.down()
    await page.mouse.move(box.x + box.width * 0.7, box.y + 40)
    await page.mouse.up()
    await page.waitForURL(/from=.*to=/)
  })
  await both(`${ROWS.toLocaleString('en')} rows: few are drawn, the last is reached`, async () => {
    const answer = JSON.stringify({
      items: Array.from({ length: ROWS }, (_, i) => ({
        timestamp: new Date(1.7e12 + i * 1000).toISOString(),
        event_type: 'flow',
        _kind: 'flow',
        flow_id: String(i),
        src_ip: `10.0.${(i >> 8) & 255}.${i & 255}`,
        src_port: i % 65536,
        dest_ip: '10.0.0.1',
        dest_port: 443,
        proto: 'TCP',
        app_proto: 'tls',
        flow: { bytes_toserver: i, bytes_toclient: i, state: 'closed' },
      })),
      next: null,
      total: ROWS,
    })
    await page.route(/\/api\/v1\/events\?/, (route) => route.fulfill({ contentType: 'application/json', body: answer }))
    await go('/explore?last=24h')
    await page.unroute(/\/api\/v1\/events\?/)
    const { frames, drawn, nodes, end } = await page.evaluate(async () => {
      const table = document.querySelector('.table')
      const frames = []
      let before = performance.now()
      for (let i = 1; i <= 120; i++) {
        table.scrollTop = (table.scrollHeight * i) / 120
        await new Promise((done) => requestAnimationFrame(done))
        const now = performance.now()
        frames.push(now - before)
        before = now
      }
      await new Promise((done) => setTimeout(done, 300))
      return {
        frames: frames.sort((a, b) => a - b),
        drawn: document.querySelectorAll('.row').length,
        nodes: document.querySelectorAll('*').length,
        end: document.querySelector('.table-body').lastElementChild?.getAttribute('aria-rowindex'),
      }
    })
    console.log(
      `  frame p50 ${frames[60].toFixed(1)} ms, p95 ${frames[114].toFixed(1)} ms, ${drawn} rows of ${nodes} nodes in the document`,
    )
    expect(drawn < DRAWN_MAX, `${drawn} rows in the document`)
    expect(Number(end) === ROWS + 1, `the last row is ${end}`)
  })

  const open = (await get('/cases?state=new,acknowledged,in_progress&limit=3')).items
  const report = ({ id, dataset }) => `/cases/${id}?in=${dataset}`
  if (!mock)
    await part('packets are taken from a case, from an alert and from a flow', async () => {
      const [one] = (await get('/cases')).items
      await go(`/cases/${one.id}?in=${one.dataset}`)
      await page.locator('details.alert summary').first().click()
      const links = await page.locator('a[download][href*="/packets"]').all()
      expect(links.length >= 2, `${links.length} links on the case`)
      const flow = (await get(`/cases/${one.id}?dataset=${one.dataset}`)).alerts[0].evidence[0]
      // Its own rows, and not those that were there before.
      const rows = page.waitForResponse((r) => r.url().includes('/events?') && r.url().includes(`${flow}`))
      await go(`/explore?q=flow_id:${flow}&kind=flow&last=all`)
      await rows
      await page.locator('[role=row][aria-rowindex="2"]').click()
      const own = page.locator(`a[download][href*="/events/${flow}/packets"]`)
      await own.waitFor()
      const [file] = await Promise.all([page.waitForEvent('download'), own.click()])
      expect(file.suggestedFilename() === `flow-${flow}.pcapng`, file.suggestedFilename())
    })
  await both('on a long case only what is read scrolls, never the top bar and the menu', async () => {
    const still = async (what) => {
      await page.mouse.move(700, 600)
      for (let i = 0; i < 12; i++) await page.mouse.wheel(0, 900)
      await page.waitForTimeout(200)
      const at = await page.evaluate(() => [
        scrollY,
        document.documentElement.scrollHeight - innerHeight,
        document.querySelector('.top').getBoundingClientRect().top,
        document.querySelector('.shell').scrollTop,
      ])
      expect(at.every((one) => one === 0), `${what}: ${at}`)
    }
    await page.setViewportSize({ width: 1280, height: 600 })
    await go(`/cases/${open[0].id}?in=${open[0].dataset}`)
    for (const one of (await page.locator('details.alert > summary').all()).slice(0, 4)) await one.click()
    await settled(page)
    await still('with its evidence')
    await go(`/cases/${open[0].id}?in=${open[0].dataset}&do=exclude`)
    await page.locator('.exclusion').waitFor()
    await page.locator('.exclusion input[type=checkbox]').last().focus()
    await still('with the form of an exclusion')
    await page.setViewportSize({ width: 1440, height: 900 })
  })
  await both('a cell of the map asks for its flows, once', async () => {
    await go('/map?last=all')
    await page.locator('.heat button:enabled').first().click()
    await page.waitForURL(/explore/)
    await page.locator('.chip').first().waitFor()
    const said = (await page.locator('.chip').allInnerTexts()).join(' ')
    expect(said.split('event_type:flow').length === 2, said)
  })
  await both('who closes a case finds how it does not come back', async () => {
    await go(`/cases?open=${open[0].id}&in=${open[0].dataset}`)
    await page.locator('.panel .case-actions [aria-expanded]').click()
    await page.locator('.closing a[href*="do=exclude"]').click()
    await page.locator('.exclusion input[type=checkbox]:checked').first().waitFor()
  })
  await both('what one changes oneself is not offered as news', async () => {
    await go('/cases')
    await page.locator('[role=row][aria-rowindex="2"] input[type=checkbox]').check()
    await page.locator('.bulk .button').nth(1).click()
    await page.locator('.note').first().waitFor()
    // Longer than between two looks at which cases changed.
    await page.waitForTimeout(3000)
    expect((await page.locator('.fresh').count()) === 0, 'it is')
  })
  await both('a session that ends while a comment is written keeps the text', async () => {
    const text = `Texte précieux ${Date.now()}`
    await go(report(open[0]))
    await page.locator('#comment').fill(text)
    await send('delete', '/session')
    await page.locator('.comment .button-main').click()
    await page.locator('.login-again').waitFor()
    await page.locator('.login-again input[name=password]').fill(account.password)
    await page.locator('.login-again .button-main').click()
    await page.locator('.login-again').waitFor({ state: 'detached' })
    expect((await page.locator('#comment').inputValue()) === text, 'the text is gone')
    await page.locator('.comment .button-main').click()
    await page.locator('.trail-text', { hasText: text }).waitFor()
  })
  await both('two people edit one case: the second is told, and nothing is lost', async () => {
    const one = open.at(-1)
    await go(report(one))
    await page.locator('#comment').fill('À moitié écrit')
    const { version } = await get(`/cases/${one.id}?dataset=${one.dataset}`)
    const colleague = (await get('/colleagues')).map(({ name }) => name).at(-1)
    await send('patch', `/cases/${one.id}?dataset=${one.dataset}`, { version, state: 'in_progress', owner: colleague })
    await page.locator('.case-actions .button').first().click()
    await page.locator('.conflict').waitFor()
    expect((await page.locator('.conflict').innerText()).includes(colleague), 'not told who')
    expect((await page.locator('#comment').inputValue()) === 'À moitié écrit', 'what was being written is gone')
    expect((await get(`/cases/${one.id}?dataset=${one.dataset}`)).owner === colleague, 'theirs is lost')
    await page.locator('#comment').fill('')
    await send('patch', `/cases/${one.id}?dataset=${one.dataset}`, { version: version + 1, state: 'acknowledged', owner: null })
  })
  await both('all is reached by the keyboard, and the focus is seen', async () => {
    for (const path of [
      '/',
      '/cases',
      report(open[0]),
      '/assets',
      '/explore',
      '/map',
      '/sensors',
      '/settings',
      '/settings?section=networks',
    ]) {
      await go(path)
      await page.locator('body').press('Tab')
      const seen = new Set()
      for (let i = 0; i < 70; i++) {
        const at = await page.evaluate(() => {
          const node = document.activeElement
          if (!node || node === document.body) return null
          const { outlineStyle, boxShadow } = getComputedStyle(node)
          const ring = (of) => getComputedStyle(of).outlineStyle !== 'none' || getComputedStyle(of).boxShadow !== 'none'
          const box = node.getBoundingClientRect()
          return {
            name: `${node.tagName}.${node.className?.baseVal ?? node.className} ${node.textContent.slice(0, 30)}`,
            marked:
              outlineStyle !== 'none' ||
              boxShadow !== 'none' ||
              ring(node.parentElement) ||
              // A drawing's parts have no outline: a line around is drawn instead.
              [...node.querySelectorAll('rect')].some((part) => getComputedStyle(part).stroke !== 'none'),
            shown: box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
          }
        })
        if (at === null) break
        expect(at.marked, `no mark of the focus on ${path}: ${at.name}`)
        expect(at.shown, `the focus is out of sight on ${path}: ${at.name}`)
        seen.add(at.name)
        await page.keyboard.press('Tab')
      }
      expect(seen.size > 10, `Tab reaches ${seen.size} things on ${path}`)
    }
    // A value's menu: opened, walked, left, and the focus is where it was.
    await go('/explore')
    await page.locator('.row .value.mono').first().focus()
    const before = await page.evaluate(() => document.activeElement.textContent)
    await page.keyboard.press('m')
    await page.locator('.menu .menu-item').first().waitFor()
    await page.keyboard.press('ArrowDown')
    expect(await page.evaluate(() => document.activeElement.closest('.menu') !== null), 'the menu has no focus')
    await page.keyboard.press('Escape')
    await page.locator('.menu').waitFor({ state: 'detached' })
    expect((await page.evaluate(() => document.activeElement.textContent)) === before, 'the focus is lost after the menu')
  })

  if (mock) {
    await part('what is new waits until one asks for it, and moves nothing', async () => {
      for (const path of ['/cases', '/explore', '/']) {
        await go(path)
        const places = () =>
          page.evaluate(() =>
            [...document.querySelectorAll('.row, .card, .page-head, .toolbar')]
              .map((node) => node.getBoundingClientRect())
              .map(({ x, y, width, height }) => [x, y, width, height].map(Math.round).join())
              .join(' '),
          )
        const before = await places()
        await context.request.get(`${base}/api/v1/mock/arrive`)
        await page.locator('.fresh').waitFor()
        if (path !== '/explore') expect(/^1 cas /.test(await page.locator('.fresh').innerText()), 'one case that changed twice is counted twice')
        expect((await places()) === before, `something moved on ${path}`)
        await page.locator('.fresh').click()
        await page.locator('.fresh').waitFor({ state: 'detached' })
      }
    })
    await part('two people change one setting: the second is told, and chooses', async () => {
      await go('/settings?section=networks')
      const add = page.locator('.card').first().locator('.network-add input')
      await add.fill('10.0.0.0/99')
      await add.press('Enter')
      await page.locator('.card').first().locator('.field-error').waitFor()
      await add.fill('198.18.0.0/15')
      await add.press('Enter')
      await page.locator('.save').waitFor()
      const put = async (key, value) => {
        const is = await get('/settings')
        await send('put', '/settings', { key, value, version: is.version })
      }
      // Another setting: no quarrel.
      await put('known_after_hours', 48)
      await page.locator('.save .button-main').click()
      await page.locator('.save').waitFor({ state: 'detached' })
      expect((await get('/settings')).home_net.value.includes('198.18.0.0/15'), 'not saved')
      // The same one.
      await page.locator('.card').first().locator('.chip button').first().click()
      await page.locator('.save .warned').waitFor()
      await put('home_net', ['10.0.0.0/8', '203.0.113.0/24'])
      await page.locator('.save .button-main').click()
      await page.locator('.save .conflict').waitFor()
      expect((await get('/settings')).home_net.value.includes('203.0.113.0/24'), 'theirs is lost')
      await page.locator('.save .button-quiet').click()
      await page.locator('.chip', { hasText: '203.0.113.0/24' }).waitFor()
    })
    await part('a shorter retention and a smaller quota say first what they delete', async () => {
      await go('/settings?section=retention')
      await page.locator('.retention input').first().fill('7')
      await page.locator('.save .warned li').first().waitFor()
      await page.locator('.save .button-quiet').click()
      await page.locator('.save').waitFor({ state: 'detached' })
      await page.locator('.quota input[type=number]').fill('20')
      await page.locator('.save .warned li').first().waitFor()
      await page.locator('.save .button-main').click()
      await page.locator('.save').waitFor({ state: 'detached' })
      await page.locator('.quota input[type=checkbox]').uncheck()
      await page.locator('.save .button-main').click()
      await page.locator('.save').waitFor({ state: 'detached' })
      expect((await page.locator('.card').first().innerText()).includes('pas de quota'), 'a quota of 0 is not said')
    })
    await part('an output is set, tried, and taken away; its secret is not shown', async () => {
      await go('/settings?section=outputs')
      const [webhook, syslog] = [page.locator('.card').nth(0), page.locator('.card').nth(1)]
      expect((await webhook.locator('input[type=password]').inputValue()) === '', 'a secret is shown')
      expect((await webhook.innerText()).includes('31'), 'what it took is not told')
      await syslog.locator('input[type=checkbox]').first().check()
      await syslog.locator('.field-error').waitFor()
      await syslog.locator('input:not([type=checkbox])').first().fill('syslog.exemple:514')
      await syslog.locator('select').first().selectOption('tcp')
      await syslog.locator('.save .button-main').click()
      await syslog.locator('.save').waitFor({ state: 'detached' })
      const is = (await get('/settings')).syslog
      expect(is.target === 'syslog.exemple:514' && is.carrier === 'tcp' && is.lang === 'fr', JSON.stringify(is))
      await syslog.locator('button', { hasText: 'essai' }).click()
      await page.getByText('L’essai a été pris.').waitFor()
      await syslog.locator('input[type=checkbox]').first().uncheck()
      await syslog.locator('.save .button-main').click()
      await syslog.locator('.save').waitFor({ state: 'detached' })
      expect((await get('/settings')).syslog === null, 'it is still there')
    })
    await part('names from traffic are text', async () => {
      for (const path of ['/', '/cases', '/cases/c0006', '/assets', '/assets/a00006', '/explore?last=30d&q=dns', '/map', '/sensors'])
        await go(path)
      await go('/cases/c0006')
      expect((await page.locator('h1').innerText()).includes('<script>alert(1)</script>'), 'the name is not shown as it is')
    })
    await part('a viewer is told what is refused', async () => {
      const other = await browser.newContext({ locale: 'fr-FR' })
      const its = await other.newPage()
      await logIn(its, base, { user: 'lecteur', password: 'vigie' })
      await its.goto(`${base}/settings?section=people`)
      await its.locator('.empty[role=alert]').waitFor()
      await its.goto(`${base}/cases/c0001`)
      await its.locator('.report').first().waitFor()
      expect((await its.locator('#comment, .case-actions button').count()) === 0, 'offers what it may not do')
      await other.close()
    })
    await part('a first password is changed before anything else', async () => {
      const other = await browser.newContext({ locale: 'en-GB' })
      const its = await other.newPage()
      await its.goto(base)
      await its.locator('input[name=name]').fill('neuf')
      await its.locator('input[name=password]').fill('vigie')
      await its.locator('.login-form .button-main').click()
      await its.locator('input[name=old]').fill('vigie')
      await its.locator('input[name=new]').fill('a longer password')
      await its.locator('input[name=repeat]').fill('a longer password')
      await its.locator('.login-form .button-main').click()
      await its.locator('.shell').waitFor()
      await other.close()
    })
    await part('a capture is brought in, with its progress and its result', async () => {
      await go('/settings')
      await page
        .locator('input[type=file]')
        .setInputFiles({ name: 'essai.pcap', mimeType: 'application/octet-stream', buffer: Buffer.alloc(200_000) })
      await page.locator('.imports li', { hasText: '12' }).waitFor({ timeout: 15_000 })
      await page.locator('.imports li a[href*="/cases?"]').first().click()
      await page.waitForURL(/\/cases\?.*dataset=/)
    })
    await part('a server that does not answer is said so, and asked again', async () => {
      await page.route(/\/api\/v1\/map/, (route) => route.abort())
      await page.goto(`${base}/map`)
      await page.locator('.empty[role=alert]').waitFor({ timeout: 20_000 })
      await page.unroute(/\/api\/v1\/map/)
      await page.locator('.empty .button').click()
      await page.locator('.matrix').waitFor()
    })
  }
  const own = faults.filter((fault) => !fault.includes('net::ERR_FAILED'))
  check('habits: faults', own.length === 0, own.join('\n'))
  await context.close()
}
