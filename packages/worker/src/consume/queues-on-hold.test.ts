import { defineTask } from '@blockmill/core'
import { expect, it } from 'vitest'
import { item, unit } from '../../test/messages.ts'
import { createQueuesOnHold } from './queues-on-hold.ts'

const noop = defineTask({ name: 'noop', run: () => undefined })
const [one, two, three] = [1, 2, 3].map((number) => unit(noop, { items: [item(number)] })) as [
  ReturnType<typeof unit>,
  ReturnType<typeof unit>,
  ReturnType<typeof unit>,
]

it('takes units of queues on hold alone, and keeps them apart by queue', () => {
  const onHold = createQueuesOnHold()
  expect(onHold.takes('a', one)).toBe(false)
  expect([onHold.add('a'), onHold.add('a'), onHold.add('b')]).toEqual([true, false, true])
  expect([onHold.takes('a', one), onHold.takes('b', two), onHold.takes('a', three), onHold.takes('c', one)]).toEqual([
    true,
    true,
    true,
    false,
  ])
  expect(onHold.size).toBe(3)
  expect(onHold.end('a')).toEqual([one, three])
  expect([onHold.size, onHold.takes('a', one), onHold.end('a')]).toEqual([1, false, []])
})

it('keeps a queue on hold whose units were taken out', () => {
  const onHold = createQueuesOnHold()
  onHold.add('a')
  for (const each of [one, two, three]) onHold.takes('a', each)
  expect(onHold.remove((each) => each === two)).toEqual([two])
  expect(onHold.take('a')).toEqual([one, three])
  expect([onHold.take('a'), onHold.take('b'), onHold.size]).toEqual([[], [], 0])
  expect(onHold.takes('a', two)).toBe(true)
})
