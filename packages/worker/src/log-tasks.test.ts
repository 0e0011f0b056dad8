import { type AnyTaskDefinition, createLogger, defineTask } from '@blockmill/core'
import { expect, it } from 'vitest'
import { registry } from '../test/messages.ts'
import { logTasks } from './log-tasks.ts'

interface LogLine {
  readonly level: number
  readonly msg: string
  readonly task?: string
  readonly tasks?: readonly string[]
}

function linesFor(...definitions: AnyTaskDefinition[]): LogLine[] {
  const lines: LogLine[] = []
  const destination = { write: (line: string) => void lines.push(JSON.parse(line) as LogLine) }
  logTasks(registry(...definitions), 'substrate', createLogger({ service: 'worker', destination }))
  return lines
}

const WARN = 40
const run = (): void => undefined

it('says how many tasks there are and lists them', () => {
  const lines = linesFor(defineTask({ name: 'b', timeout: '1m', run }), defineTask({ name: 'a', timeout: '25m', run }))
  expect(lines.map(({ msg, task }) => [msg, task])).toEqual([
    ['Synced 2 tasks', undefined],
    ['Task', 'a'],
    ['Task', 'b'],
  ])
})

it('names what is for another kind of chain, and does not count or list it', () => {
  const lines = linesFor(
    defineTask({ name: 'a', timeout: '1m', run }),
    defineTask({ name: 'b', chainKind: 'evm', run }),
    defineTask({ name: 'c', chainKind: 'any', timeout: '1m', run }),
  )
  expect(lines.map(({ msg, task, tasks }) => [msg, task ?? tasks])).toEqual([
    ['Synced 2 tasks', undefined],
    ['tasks for another kind of chain are left out', ['b']],
    ['Task', 'a'],
    ['Task', 'c'],
  ])
})

it.each([
  [
    'a back-off that never grows',
    defineTask({ name: 'a', timeout: '1m', retry: { backoff: { type: 'exponential', base: '1m' } }, run }),
  ],
  ['a timeout that may be longer than the broker waits for an ack', defineTask({ name: 'a', timeout: '26m', run })],
  ['no timeout', defineTask({ name: 'a', run })],
])('warns of %s', (_, definition) => {
  expect(linesFor(definition).filter(({ level }) => level === WARN)).toHaveLength(1)
})

it('warns when there is nothing to execute', () => {
  expect(linesFor().filter(({ level }) => level === WARN)).toHaveLength(1)
})
