import { expect, it } from 'vitest'

import { createProgressBar } from './progress-bar.ts'

function create(isTTY: boolean) {
  const written: string[] = []
  let at = 0
  const output = { isTTY, write: (text: string) => written.push(text) }
  const progress = createProgressBar({ output, unit: 'blocks', now: () => at })
  return { progress, written, pass: (ms: number) => (at += ms) }
}

it('replaces itself on a terminal, at most ten times a second, and goes at the end', () => {
  const { progress, written, pass } = create(true)
  pass(1_000)
  progress.show({ done: 500, total: 1_000 })
  progress.show({ done: 501, total: 1_000 })
  pass(100)
  progress.show({ done: 550, total: 1_000 })
  progress.end()
  expect(written).toEqual([
    `\r\u001B[2K[${'#'.repeat(15)}${'-'.repeat(15)}] 50 %, 500 of 1000 blocks, 500/s, 1s left`,
    `\r\u001B[2K[${'#'.repeat(16)}${'-'.repeat(14)}] 55 %, 550 of 1000 blocks, 500/s, 1s left`,
    '\r\u001B[2K',
  ])
})

it('is a line every five seconds elsewhere, and nothing for short work', () => {
  const { progress, written, pass } = create(false)
  progress.show({ done: 1, total: 100 })
  pass(5_000)
  progress.show({ done: 10, total: 100 })
  progress.show({ done: 11, total: 100 })
  pass(5_000)
  progress.show({ done: 20, total: 100 })
  progress.end()
  expect(written).toEqual(['10 %, 10 of 100 blocks, 2/s, 45s left\n', '20 %, 20 of 100 blocks, 2/s, 40s left\n'])
})

it('is full where there is nothing to do', () => {
  const { progress, written } = create(true)
  progress.show({ done: 0, total: 0 })
  expect(written).toEqual([`\r\u001B[2K[${'#'.repeat(30)}] 100 %, 0 of 0 blocks, 0/s`])
})
