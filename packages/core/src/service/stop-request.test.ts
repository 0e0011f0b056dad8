import { EventEmitter } from 'node:events'

import { expect, test, vi } from 'vitest'

import { listenForStop } from './stop-request.ts'

function listen({ connected = false } = {}) {
  const host = Object.assign(new EventEmitter(), { connected, exit: vi.fn() })
  const onRequest = vi.fn<(by: string) => void>()
  let now = 1_000
  const request = listenForStop(onRequest, { host: host as unknown as NodeJS.Process, now: () => now })
  const pass = (ms: number): void => {
    now += ms
  }
  return { host, onRequest, request, pass }
}

test('tells once what asked for the end, and aborts', () => {
  const { host, onRequest, request } = listen()
  expect(request.signal.aborted).toBe(false)
  host.emit('SIGTERM', 'SIGTERM')
  expect(request.signal.aborted).toBe(true)
  expect(onRequest.mock.calls).toEqual([['SIGTERM']])
})

test('takes one key press for one request, however often it is passed on', () => {
  const { host, onRequest, pass } = listen()
  host.emit('SIGINT', 'SIGINT')
  host.emit('SIGINT', 'SIGINT')
  pass(400)
  host.emit('SIGINT', 'SIGINT')
  expect(onRequest).toHaveBeenCalledOnce()
  expect(host.exit).not.toHaveBeenCalled()
})

test('exits at once with status 130 when asked again', () => {
  const { host, pass } = listen()
  host.emit('SIGTERM', 'SIGTERM')
  pass(600)
  host.emit('SIGINT', 'SIGINT')
  expect(host.exit.mock.calls).toEqual([[130]])
})

test('ends with the parent that started it', () => {
  const { host, onRequest } = listen({ connected: true })
  host.emit('disconnect')
  expect(onRequest.mock.calls).toEqual([['the end of the parent process']])
})

test('can be asked from within, which never counts as impatience', () => {
  const { host, onRequest, request, pass } = listen()
  request.ask('an operator')
  expect(request.signal.aborted).toBe(true)
  pass(600)
  request.ask('an operator')
  expect(onRequest.mock.calls).toEqual([['an operator']])
  expect(host.exit).not.toHaveBeenCalled()
})

test('leaves no listener behind', () => {
  const { host, request } = listen({ connected: true })
  request.dispose()
  expect(host.eventNames()).toEqual([])
})
