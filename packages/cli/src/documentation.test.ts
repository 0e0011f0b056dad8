import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { KNOWN_KEYS } from '@blockmill/core'
import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'

import { createProgram } from './run-cli.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'apps/example/README.md',
  ...readdirSync(join(root, 'docs')).flatMap((name) => (name.endsWith('.md') ? [`docs/${name}`] : [])),
]
const program = createProgram(() => undefined)

describe.each(pages)('%s', (page) => {
  const text = readFileSync(join(root, page), 'utf8')

  it('links only to pages and headings that exist', () => {
    const broken = [...text.matchAll(/\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].flatMap(
      ([link, path = '', anchor]) => {
        const file = path === '' ? join(root, page) : join(root, dirname(page), path)
        if (!existsSync(file)) return [link]
        return anchor === undefined || anchorsOf(file).has(anchor) ? [] : [link]
      },
    )
    expect(broken).toEqual([])
  })

  it('names only settings that exist', () => {
    const keys = [...text.matchAll(/\bBLOCKMILL_[A-Z_]+[A-Z]\b/g)].map(([key]) => key)
    expect(keys.filter((key) => !KNOWN_KEYS.includes(key))).toEqual([])
  })

  it('shows only commands and options that exist', () => {
    expect(commandLines(text).flatMap(unknownWords)).toEqual([])
  })
})

/** The headings of a page, as links name them. */
function anchorsOf(file: string): Set<string> {
  const headings = readFileSync(file, 'utf8').matchAll(/^#+ (.+)$/gm)
  return new Set(
    Array.from(headings, ([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(/\s/g, '-'),
    ),
  )
}

/** What stands behind `blockmill` in code, a line or a span each. */
function commandLines(text: string): string[] {
  const blocks = [...text.matchAll(/^```sh\n(.*?)^```/gms)].flatMap(([, block = '']) =>
    block.replaceAll('\\\n', ' ').split('\n'),
  )
  const spans = [...text.replaceAll(/^```.*?^```/gms, '').matchAll(/`([^`\n]+)`/g)].map(([, span = '']) => span)
  return [...blocks, ...spans].flatMap(
    (line) => /^(?:npm run |pnpm )?blockmill (?:-- )?([a-z-][^#|]*)/.exec(line.trim())?.[1] ?? [],
  )
}

/** The words of a command line that name no command and no option. */
function unknownWords(line: string): string[] {
  let command: Command = program
  for (const word of line.trim().split(/\s+/)) {
    const below = command.commands.find((one) => one.name() === word || one.aliases().includes(word))
    if (below !== undefined) {
      command = below
    } else if (word.startsWith('--')) {
      const name = word.split('=')[0]
      if (name === '--' || name === '--help' || optionsOf(command).includes(name ?? '')) continue
      return [`blockmill ${line}: ${word}`]
    } else if (command.commands.length > 0 && /^[a-z-]+$/.test(word)) {
      return [`blockmill ${line}: ${word}`]
    }
  }
  return []
}

/** Those of the commands below count: one of them may be what runs when none is named. */
function optionsOf(command: Command): (string | undefined)[] {
  return [command, ...command.commands].flatMap(({ options }) => options.map(({ long }) => long))
}

it('finds what does not exist', () => {
  expect(unknownWords('backfill start --task a --colour red')).toEqual([
    'blockmill backfill start --task a --colour red: --colour',
  ])
  expect(unknownWords('dance')).toEqual(['blockmill dance: dance'])
  expect(unknownWords('workers list')).toEqual([])
})
