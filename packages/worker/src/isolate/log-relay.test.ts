import { createLogger } from '@blockmill/core'
import { expect, it } from 'vitest'
import { createLogRelay, createRelayedLogger } from './log-relay.ts'

function relayed(level: 'info' | 'debug' = 'info') {
  const lines: Record<string, unknown>[] = []
  const destination = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) }
  const logger = createLogger({ service: 'worker', level, destination })
  return { lines, child: createRelayedLogger(level, createLogRelay(logger)) }
}

it('carries level, message, fields and errors of a line, once each', () => {
  const { lines, child } = relayed()
  child.child({ task: 'a' }).warn({ netuid: 3, err: new TypeError('boom', { cause: new Error('why') }) }, 'hello')
  const time = expect.any(String) as string
  expect(lines).toEqual([
    {
      level: 40,
      time,
      service: 'worker',
      task: 'a',
      netuid: 3,
      err: expect.objectContaining({
        type: 'TypeError',
        message: 'boom',
        cause: expect.objectContaining({ message: 'why' }) as object,
      }) as object,
      msg: 'hello',
    },
  ])
})

it.each([
  ['no message', (log: ReturnType<typeof createRelayedLogger>) => log.info({ a: 1 }), { level: 30, a: 1 }],
  [
    'a field named level',
    (log: ReturnType<typeof createRelayedLogger>) => log.error({ level: 'high' }, 'x'),
    { msg: 'x' },
  ],
  ['per cent signs', (log: ReturnType<typeof createRelayedLogger>) => log.info('100 %d %s'), { msg: '100 %d %s' }],
])('takes a line with %s', (_, write, expected) => {
  const { lines, child } = relayed()
  write(child)
  expect(lines).toMatchObject([expected])
})

it('leaves out what the worker would not log', () => {
  const { lines, child } = relayed()
  child.debug('detail')
  expect(lines).toEqual([])
  const verbose = relayed('debug')
  verbose.child.debug('detail')
  expect(verbose.lines).toMatchObject([{ level: 20, msg: 'detail' }])
})
