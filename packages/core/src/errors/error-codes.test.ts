import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ERROR_CODES } from './error-codes.ts'

const page = readFileSync(new URL('../../../../docs/errors.md', import.meta.url), 'utf8')
const documented = Object.fromEntries(
  [...page.matchAll(/^\| `([A-Z_]+)` +\| (.*?) +\|$/gm)].map(([, code, meaning]) => [code, meaning]),
)

describe('docs/errors.md', () => {
  it('lists every error code with its meaning, and no other', () => {
    expect(documented).toEqual(ERROR_CODES)
  })
})
