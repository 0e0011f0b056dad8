import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'

describe('the first line of the command', () => {
  it('keeps the heap small, with flags that Node knows', () => {
    const main = readFileSync(path.join(import.meta.dirname, 'main.ts'), 'utf8')
    const [, flags = ''] = /^#!\/usr\/bin\/env -S node (.*)\n/.exec(main) ?? []
    expect(flags).toBe('--max-semi-space-size=16 --heap-growing-percent=100')
    const script = `console.log(process.execArgv.slice(0, -2).join(' '))`
    expect(execFileSync(process.execPath, [...flags.split(' '), '-e', script], { encoding: 'utf8' }).trim()).toBe(flags)
  })
})
