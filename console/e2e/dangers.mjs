// What goes wrong or means harm, on a real server: an import that is cancelled or cut, and a capture whose every name is an attack.
import { connect, createServer } from 'node:net'
import { logIn, settled, stage } from './browser.mjs'
import { bait, hostileCapture } from './hostile.mjs'

/** Of an upload that is to be stopped under way; at `SLOW` bytes a second it takes a minute. */
const BIG = 12_000_000
const SLOW = 200_000
const DATASET = 'hostile'

/**
 * A cable to the server that can be pulled out: what goes through it then is lost, and nothing goes until it is plugged in again. (A browser
 * sends by itself what was lost on a connection that it had used before.)
 */
async function cable(base) {
  const to = new URL(base)
  const ends = new Set()
  let out = false
  const server = createServer((near) => {
    if (out) return near.destroy()
    const far = connect(Number(to.port), to.hostname)
    for (const [end, other] of [
      [near, far],
      [far, near],
    ]) {
      ends.add(end)
      end.on('error', () => other.destroy())
      end.on('close', () => (ends.delete(end), other.destroy()))
      end.pipe(other)
    }
  })
  await new Promise((ready) => server.listen(0, to.hostname, ready))
  return {
    base: `${to.protocol}//${to.hostname}:${server.address().port}`,
    pull: () => ((out = true), ends.forEach((end) => end.destroy())),
    plug: () => (out = false),
    close: () => (ends.forEach((end) => end.destroy()), server.close()),
  }
}

export async function dangers({ browser, base: server, account, mock, shots, check }) {
  if (mock) return
  const wire = await cable(server)
  const base = wire.base
  const { context, page, faults, get, send, part, expect } = await stage({ browser, base, shots, check }, 'danger', { locale: 'en-GB' })
  const network = await context.newCDPSession(page)
  const line = (uploadThroughput) =>
    network.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput })
  const drop = async (name, content) => {
    const transfer = await page.evaluateHandle(
      ([name, base64]) => {
        const held = new DataTransfer()
        held.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name))
        return held
      },
      [name, content.toString('base64')],
    )
    await page.dispatchEvent('.drop', 'dragover', { dataTransfer: transfer })
    await page.dispatchEvent('.drop', 'drop', { dataTransfer: transfer })
  }

  await logIn(page, base, account)
  const [before, datasets] = [await get('/imports'), await get('/datasets')]
  const nothingCame = async () => {
    const [imports, now] = [await get('/imports'), await get('/datasets')]
    expect(imports.length === before.length, `${imports.length - before.length} imports more`)
    expect(now.length === datasets.length, 'a dataset came of it')
  }
  await page.goto(`${base}/settings`)
  await settled(page)

  await part('an upload that one cancels leaves nothing', async () => {
    await line(SLOW)
    await drop('cancelled.pcap', Buffer.alloc(BIG))
    await page.locator('.imports progress').waitFor()
    await page.waitForFunction(() => document.querySelector('.imports progress').value > 0)
    await page.locator('.imports li button').first().click()
    await page.locator('.imports progress').waitFor({ state: 'detached' })
    await nothingCame()
  })
  await part('an upload that is cut says so, and is sent again', async () => {
    const name = `cut-${Date.now()}.pcap`
    await drop(name, hostileCapture(Date.now(), BIG))
    await page.locator('.imports progress').waitFor()
    await page.waitForFunction(() => document.querySelector('.imports progress').value > 0)
    wire.pull()
    await page.locator('.imports li', { hasText: name }).locator('.field-error').first().waitFor()
    wire.plug()
    await page.locator('.imports progress').waitFor({ state: 'detached' })
    await line(-1)
    await nothingCame()
    await page.locator('.drop input:not([type])').fill(DATASET)
    await page.locator('.imports li', { hasText: name }).locator('button').first().click()
    await page.locator('.imports li', { hasText: name }).locator('text=/events|événements/').waitFor()
  })
  await part('what is no capture is refused in a line', async () => {
    await drop('letter.txt', Buffer.from('Dear sir, this is no capture.'))
    await page.locator('.imports li', { hasText: 'letter.txt' }).locator('.field-error').first().waitFor()
    await page.screenshot({ path: `${shots}/import-refused.png` })
  })
  await part('names from traffic are text, on every page', async () => {
    const assets = (await get(`/assets?dataset=${DATASET}`)).items
    const cases = (await get(`/cases?dataset=${DATASET}`)).items
    expect(assets.length > 0 && cases.length > 0, `${assets.length} assets and ${cases.length} cases of the capture`)
    const own = `dataset=${DATASET}&last=24h`
    const pages = [
      `/?${own}`,
      `/cases?state=all&${own}`,
      ...cases.flatMap((one) => [`/cases?state=all&open=${one.id}&in=${DATASET}&${own}`, `/cases/${one.id}?in=${DATASET}&${own}`]),
      `/assets?${own}`,
      ...assets.flatMap((one) => [`/assets?open=${one.id}&in=${DATASET}&${own}`, `/assets/${one.id}?in=${DATASET}&${own}`]),
      `/explore?${own}`,
      `/explore?q=${encodeURIComponent(`"${bait('x').replaceAll('"', '\\"')}"`)}&${own}`,
      `/map?${own}`,
      `/map?view=flow&${own}`,
      `/sensors?${own}`,
      '/settings',
      '/settings?section=audit&last=24h',
    ]
    const seen = new Set()
    const look = async (where) => {
      await settled(page)
      const found = await page.evaluate(() => ({
        made: document.querySelectorAll('img, iframe, object, embed, main script').length,
        text: document.body.innerText,
      }))
      expect(found.made === 0, `markup was made on ${where}`)
      for (const [, mark] of found.text.matchAll(/onerror=alert\("(\w+)"\)>|alert\("(url|sni)"\)/g)) if (mark) seen.add(mark)
      if (found.text.includes('<script>alert("sni")')) seen.add('sni')
      if (found.text.includes('<script>alert("url")')) seen.add('url')
    }
    for (const path of pages) {
      await page.goto(base + path)
      await look(path)
    }
    // Each kind of event with all its fields, and the menu of a hostile value.
    for (const kind of ['dhcp', 'dns', 'http', 'ftp', 'tls', 'alert']) {
      await page.goto(`${base}/explore?kind=${kind}&${own}`)
      await settled(page)
      const rows = await page.locator('.row').count()
      for (let i = 0; i < Math.min(rows, 4); i++) {
        await page.locator('.row').nth(i).locator('.cell').first().click()
        await page.locator('.panel .leaves').waitFor()
        await look(`${kind} event ${i}`)
      }
      const hostile = page.locator('.panel .leaves .value').filter({ hasText: 'alert(' }).first()
      if (await hostile.count()) {
        await hostile.click()
        await page.locator('.menu .menu-head').waitFor()
        await look(`menu of ${kind}`)
        await page.keyboard.press('Escape')
      }
    }
    const wanted = ['dhcp', 'vendor', 'dns', 'host', 'agent', 'server', 'banner', 'user', 'subject', 'issuer', 'url', 'sni']
    const absent = wanted.filter((mark) => !seen.has(mark))
    expect(absent.length === 0, `not shown as they are: ${absent.join(', ')}`)
    await page.screenshot({ path: `${shots}/hostile.png` })
  })
  await send('delete', `/datasets/${DATASET}`)
  const own = faults.filter((fault) => !/net::ERR_/.test(fault))
  check('dangers: faults', own.length === 0, own.join('\n'))
  await context.close()
  wire.close()
}
