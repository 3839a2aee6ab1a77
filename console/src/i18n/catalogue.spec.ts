import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { technique } from '../lib/attack'
import en from './en.json'
import fields from './fields.fr.json'
import fr from './fr.json'
import refusals from './refusals.fr.json'

const flat = (texts: object, path = ''): Map<string, string> =>
  new Map(
    Object.entries(texts).flatMap(([key, value]: [string, unknown]) =>
      typeof value === 'string' ? [[path + key, value] as [string, string]] : [...flat(value as object, `${path}${key}.`)],
    ),
  )

const files = (folder: string, wanted = /(?<!spec)\.tsx?$/): string[] =>
  readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    return statSync(path).isDirectory() ? files(path, wanted) : wanted.test(name) ? [path] : []
  })
const sources = files(join(import.meta.dirname, '..'))
const code = sources.map((path) => readFileSync(path, 'utf8')).join('\n')
const bare = (key: string) => key.replace(/_(zero|one|other)$/, '')

describe('catalogues', () => {
  const [french, english] = [flat(fr), flat(en)]

  it('have the same keys', () => {
    expect([...french.keys()].sort()).toEqual([...english.keys()].sort())
  })

  it('fill in the same places', () => {
    const places = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1]).sort()
    for (const [key, text] of french) expect(places(text), key).toEqual(places(english.get(key) ?? ''))
  })

  it('have no empty text', () => {
    for (const [key, text] of [...french, ...english]) expect(text.trim(), key).not.toBe('')
  })

  // A key is used as it stands, or by a template whose fixed beginning and end it has: `severity.${level}`.
  const literals = new Set([...code.matchAll(/['"`]([a-z_]+(?:\.\w+)+)['"`]/g)].map((match) => match[1]!))
  const templates = [...code.matchAll(/`((?:[a-z_]+\.)[\w.]*)\$\{[^`]*?\}(\w*)`/g)].map((match) => ({ start: match[1]!, end: match[2]! }))
  const dynamic = [...code.matchAll(/`(\$\{facet\})\.\$\{/g)].length ? ['class.', 'role.'] : []

  it('have no key that nothing uses', () => {
    const unused = [...french.keys()].filter(
      (key) =>
        !literals.has(key) &&
        !literals.has(bare(key)) &&
        !templates.some(({ start, end }) => bare(key).startsWith(start) && bare(key).endsWith(end)) &&
        !dynamic.some((start) => key.startsWith(start)),
    )
    expect(unused).toEqual([])
  })

  it('have every key that is asked for', () => {
    const asked = [...code.matchAll(/\bt\(\s*'([\w.]+)'/g)].map((match) => match[1]!)
    const known = new Set([...french.keys(), ...[...french.keys()].map(bare)])
    expect(asked.filter((key) => !known.has(key))).toEqual([])
    expect(asked.length).toBeGreaterThan(200)
  })

  it('name every detector', () => {
    const folder = join(import.meta.dirname, '../../../crates/detect/src/detectors')
    const names = files(folder, /\.rs$/).flatMap((path) =>
      [...readFileSync(path, 'utf8').matchAll(/static INFO: Info = Info \{\s+name: "(\w+)"/g)].map((match) => match[1]!),
    )
    expect(names.length).toBeGreaterThan(8)
    expect(names.filter((name) => !french.has(`detector.${name}`))).toEqual([])
  })

  it('name every technique that a detector names', () => {
    const found = files(join(import.meta.dirname, '../../../crates/detect/src'), /\.rs$/).flatMap((path) =>
      [...readFileSync(path, 'utf8').matchAll(/techniques: &\[([^\]]*)\]/g)].flatMap((match) => [...match[1]!.matchAll(/"(T[\d.]+)"/g)].map((one) => one[1]!)),
    )
    expect(found.length).toBeGreaterThan(12)
    expect(found.filter((id) => !technique(id))).toEqual([])
  })

  it('say in French each sentence that the server refuses with, and no other', () => {
    const crates = join(import.meta.dirname, '../../../crates')
    const sentences = new Map<string, Set<string>>()
    for (const path of files(crates, /\.rs$/).filter((path) => !path.endsWith('sentence.rs')))
      for (const [, name, text] of readFileSync(path, 'utf8').matchAll(/Sentence::new\(\s*"(\w+)",\s*"((?:[^"\\]|\\[^])*)"/g))
        sentences.set(name!, (sentences.get(name!) ?? new Set()).add(text!))
    expect(sentences.size).toBeGreaterThan(70)
    expect([...sentences].filter(([, texts]) => texts.size > 1).map(([name]) => name)).toEqual([])
    expect(Object.keys(refusals).sort()).toEqual([...sentences.keys()].sort())
    for (const [name, text] of Object.entries(refusals)) {
      const english = [...sentences.get(name)!][0]!
      for (const [, place] of text.matchAll(/\{\{(\w+)\}\}/g)) expect(english, name).toContain(`{${place}}`)
    }
  })

  it('say in French what fields mean', () => {
    const reference = readFileSync(join(import.meta.dirname, '../../../docs/events.md'), 'utf8')
    const meanings = new Set([...reference.matchAll(/^\| `.*\| ([^|]+) \|$/gm)].map((match) => match[1]!.trim()))
    expect(Object.keys(fields).filter((english) => !meanings.has(english))).toEqual([])
    expect(Object.keys(fields).length).toBeGreaterThan(400)
  })

  it('are where all words are: no text between tags in the code', () => {
    const spoken = sources
      .filter((path) => path.endsWith('.tsx'))
      .flatMap((path) =>
        [...readFileSync(path, 'utf8').matchAll(/>([^<>{}=;()]*[a-zà-ü]{3}[^<>{}=;()]*)<\//gi)].map((match) => match[1]!.trim()),
      )
    expect(spoken.filter((text) => !['Vigie', 'SHA-256', 'MAC'].includes(text))).toEqual([])
  })
})
