import { expect, test } from 'vitest'

import { createProgressView } from './progress-view.ts'

const PROGRESS = {
  head: 7,
  evaluatedTo: 6,
  scheduled: 30,
  running: 2,
  waiting: 1,
  succeeded: 26,
  retried: 3,
  failed: 1,
}

function createOutput(isTTY: boolean) {
  let written = ''
  return {
    isTTY,
    write(text: string) {
      written += text
    },
    take() {
      const taken = written
      written = ''
      return taken
    },
  }
}

test('on a terminal, each state replaces the last', () => {
  const output = createOutput(true)
  const view = createProgressView(output)
  view.show(PROGRESS)
  const first = output.take()
  expect(first).toContain('head 7, evaluated to 6')
  expect(first).toContain('scheduled 30   running 2   waiting 1   succeeded 26   retried 3   failed 1')
  view.show({ ...PROGRESS, head: 8 })
  expect(output.take().startsWith(`\u001B[${first.split('\n').length - 1}A`)).toBe(true)
})

test('elsewhere, a line is written every five seconds, without control characters', () => {
  const output = createOutput(false)
  let now = 0
  const view = createProgressView(output, () => now)
  const linesAfter = (ms: number): string => {
    now += ms
    view.show(PROGRESS)
    return output.take()
  }
  expect(linesAfter(0)).toBe(
    'head 7, evaluated to 6, scheduled 30, running 2, waiting 1, succeeded 26, retried 3, failed 1\n',
  )
  expect(linesAfter(4_900)).toBe('')
  expect(linesAfter(200)).toContain('head 7')
})
