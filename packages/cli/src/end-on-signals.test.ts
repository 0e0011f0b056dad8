import { EventEmitter } from 'node:events'

import { expect, test, vi } from 'vitest'

import { endOnSignals } from './end-on-signals.ts'

function createHost(pid: number) {
  const exit = vi.fn()
  return { exit, host: Object.assign(new EventEmitter(), { pid, exit }) as unknown as NodeJS.Process }
}

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)('the first process of a container ends by %s', (signal, status) => {
  const { host, exit } = createHost(1)
  endOnSignals(host)
  host.emit(signal, signal)
  expect(exit).toHaveBeenCalledExactlyOnceWith(status)
})

test('a service that listens decides itself, and no longer once it has stopped', () => {
  const { host, exit } = createHost(1)
  endOnSignals(host)
  const stop = vi.fn()
  host.on('SIGTERM', stop)
  host.emit('SIGTERM', 'SIGTERM')
  expect(stop).toHaveBeenCalledOnce()
  expect(exit).not.toHaveBeenCalled()
  host.off('SIGTERM', stop)
  host.emit('SIGTERM', 'SIGTERM')
  expect(exit).toHaveBeenCalledOnce()
})

test('any other process is left to what signals do by themselves', () => {
  const { host } = createHost(4711)
  endOnSignals(host)
  expect(host.listenerCount('SIGTERM')).toBe(0)
})
