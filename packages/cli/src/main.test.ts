import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'

describe('the first line of the command', () => {
  it('keeps the young generation of the heap small, with flags that Node knows', () => {
    const main = readFileSync(path.join(import.meta.dirname, 'main.ts'), 'utf8')
    const [, flags = ''] = /^#!\/usr\/bin\/env -S node (.*)\n/.exec(main) ?? []
    expect(flags).toBe('--max-semi-space-size=8')
    const script = 'console.log(process.execArgv[0])'
    expect(execFileSync(process.execPath, [flags, '-e', script], { encoding: 'utf8' }).trim()).toBe(flags)
  })
})
