import { once } from 'node:events'
import { Writable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'

import { expect, it, vi } from 'vitest'

import { gatherWrites } from './gather-writes.ts'

/** A socket that keeps what each call into the system would send. */
function setUp() {
  const packets: string[] = []
  const socket = new Writable({
    writev(chunks, done) {
      packets.push(Buffer.concat(chunks.map(({ chunk }) => chunk as Buffer)).toString())
      done()
    },
    highWaterMark: 4,
  })
  gatherWrites(socket)
  return { socket, packets }
}

it('sends what one callback writes together and in order, and what the next one writes by itself', async () => {
  const { socket, packets } = setUp()
  socket.write('a')
  socket.write('b')
  expect(packets).toEqual([])
  await turn()
  socket.write('c')
  await turn()
  expect(packets).toEqual(['ab', 'c'])
})

it('tells writers that they wrote too much, when there is room again, and when theirs is sent', async () => {
  const { socket, packets } = setUp()
  const onSent = vi.fn<() => void>()
  const hasRoom = socket.write('a') && socket.write('bcd', onSent)
  expect(hasRoom).toBe(false)
  await once(socket, 'drain')
  expect(onSent).toHaveBeenCalledOnce()
  expect(packets).toEqual(['abcd'])
})

it('sends what was written when the socket ends in the same turn', async () => {
  const { socket, packets } = setUp()
  socket.write('a')
  socket.end('b')
  await once(socket, 'finish')
  expect(packets).toEqual(['ab'])
})
