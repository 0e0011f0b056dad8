import { ConfigurationError } from '@blockmill/core'
import { expect, test } from 'vitest'

import { type ServiceAttempt, startFirstAvailable } from './first-available.ts'

function attempt(
  source: ServiceAttempt<string>['source'],
  outcome: Partial<ServiceAttempt<string>>,
): ServiceAttempt<string> {
  return { source, missing: async () => undefined, start: async () => source, ...outcome }
}

const missing = (why: string) => ({
  missing: async () => why,
  start: () => Promise.reject(new Error('must not be started')),
})
const failing = (why: string) => ({ start: () => Promise.reject(new Error(why)) })

function run(attempts: ServiceAttempt<string>[]) {
  const lines: string[] = []
  const result = startFirstAvailable('RabbitMQ', attempts, {
    log: (line) => lines.push(line),
    advice: 'Set RABBITMQ_URL.',
  })
  return { result, lines }
}

test('the first way that is not missing is taken, silently', async () => {
  const { result, lines } = run([
    attempt('environment', missing('not set')),
    attempt('docker', {}),
    attempt('native', {}),
  ])
  await expect(result).resolves.toBe('docker')
  expect(lines).toEqual([])
})

test('a way that fails is followed by the next one, and the reason is logged', async () => {
  const { result, lines } = run([attempt('docker', failing('no such image')), attempt('native', {})])
  await expect(result).resolves.toBe('native')
  expect(lines).toEqual([expect.stringContaining('no such image')])
})

test('a way that is final ends the search when it fails', async () => {
  const { result } = run([attempt('environment', { ...failing('refused'), isFinal: true }), attempt('native', {})])
  await expect(result).rejects.toThrow('environment: refused')
})

test('when no way works, the error lists all of them in order with their reasons, and what to do', async () => {
  const cause = new ConfigurationError('SERVICE_UNAVAILABLE', 'apt-get failed')
  const { result } = run([
    attempt('environment', missing('not set')),
    attempt('docker', missing('no engine')),
    attempt('native', { start: () => Promise.reject(cause) }),
  ])
  await expect(result).rejects.toMatchObject({
    code: 'SERVICE_UNAVAILABLE',
    message: `RabbitMQ is not available. Tried in this order:
  - environment: not set
  - docker: no engine
  - native: apt-get failed
Set RABBITMQ_URL.`,
    cause,
  })
})

test('several failures behind one host name are all told', async () => {
  const both = new AggregateError([new Error('ECONNREFUSED ::1'), new Error('ECONNREFUSED 127.0.0.1')])
  const { result } = run([attempt('environment', { start: () => Promise.reject(both) })])
  await expect(result).rejects.toThrow('ECONNREFUSED ::1; ECONNREFUSED 127.0.0.1')
})
