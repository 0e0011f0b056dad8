import { Gauge } from 'prom-client'
import { expect, onTestFinished, test } from 'vitest'

import { createSilentLogger } from '../observability/logger.ts'
import { createMetrics } from '../observability/metrics.ts'
import { createProbeServer } from './probe-server.ts'

async function start(notReadyBecause: () => readonly string[], port = 0): Promise<string> {
  const metrics = createMetrics('worker')
  new Gauge({ name: 'blockmill_answer', help: 'The answer.', registers: [metrics] }).set(42)
  const server = createProbeServer({ host: '127.0.0.1', port, metrics, notReadyBecause, logger: createSilentLogger() })
  onTestFinished(() => server.stop())
  return server.start()
}

test('is live whether it is ready or not', async () => {
  const url = await start(() => ['the broker is not connected'])
  expect((await fetch(`${url}/health/live`)).status).toBe(200)
})

test('says why it is not ready, and when it is', async () => {
  const reasons = ['the broker is not connected', 'no chain endpoint answers']
  const url = await start(() => reasons)
  const before = await fetch(`${url}/health/ready`)
  expect(before.status).toBe(503)
  expect(await before.json()).toEqual({ status: 'not ready', reasons })
  reasons.length = 0
  expect((await fetch(`${url}/health/ready`)).status).toBe(200)
})

test('serves the metrics of its registry', async () => {
  const url = await start(() => [])
  const response = await fetch(`${url}/metrics`)
  expect(response.headers.get('content-type')).toContain('text/plain')
  expect(await response.text()).toContain('blockmill_answer{service="worker"} 42')
})

test('says what to do about a port that is taken', async () => {
  const taken = Number(new URL(await start(() => [])).port)
  await expect(start(() => [], taken)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining(`127.0.0.1:${taken} cannot be listened on (EADDRINUSE)`),
  })
})

test('does not listen once it was stopped, even while it started', async () => {
  const logger = createSilentLogger()
  const server = createProbeServer({
    host: '127.0.0.1',
    port: 0,
    metrics: createMetrics('worker'),
    notReadyBecause: () => [],
    logger,
  })
  const started = server.start()
  await server.stop()
  await expect(started).rejects.toThrow('stopped before it listened')
})
