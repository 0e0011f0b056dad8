import { defineTask } from '@blockmill/core'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { delivery, item, message } from '../../test/messages.ts'
import { createSuspectBuffer, SEND_BACK_FROM, SUSPECT_FROM } from './suspect-buffer.ts'
import { createUnitBuffer } from './unit-buffer.ts'
import { createWorkUnit, type WorkUnit } from './work-unit.ts'

const noop = defineTask({ name: 'noop', run: () => undefined })

let sequence = 0

function unit(deliveryCount: number, items = [item(1)]): WorkUnit {
  sequence += 1
  const task = message({ items })
  return createWorkUnit(delivery(task, { deliveryCount }), task, noop, { arrivedAtMs: 0, sequence })
}

function setUp() {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const state = { isQuiet: true }
  const sentBack: WorkUnit[] = []
  const onReady = vi.fn()
  const buffer = createSuspectBuffer({
    buffer: createUnitBuffer(),
    isQuiet: () => state.isQuiet,
    onSendBack: (one) => sentBack.push(one),
    onAlone: () => undefined,
    onReady,
  })
  const push = (...units: WorkUnit[]) => {
    for (const one of units) buffer.push(one)
  }
  /** The next unit, after the time that acks are given. */
  const takeRested = () => {
    buffer.take()
    vi.runAllTimers()
    return buffer.take()?.unit
  }
  return { buffer, push, takeRested, state, sentBack, onReady }
}

describe('the buffer with suspects', () => {
  it('is as without it for what was delivered less often', () => {
    const { buffer, push, state } = setUp()
    const units = [unit(0), unit(SUSPECT_FROM - 1)]
    push(...units)
    state.isQuiet = false
    expect([buffer.take()?.unit, buffer.take()?.unit, buffer.take()]).toEqual([...units, undefined])
  })

  it('starts nothing more until what runs is settled, and its ack has had time to leave', () => {
    const { buffer, push, state, onReady } = setUp()
    const suspect = unit(SUSPECT_FROM)
    push(unit(0), suspect)
    state.isQuiet = false
    expect(buffer.take()).toBeUndefined()
    vi.runAllTimers()
    state.isQuiet = true
    expect(buffer.take()).toBeUndefined()
    expect(onReady).not.toHaveBeenCalled()
    vi.runAllTimers()
    expect(onReady).toHaveBeenCalledOnce()
    expect(buffer.take()?.unit).toBe(suspect)
  })

  it('runs suspects one at a time, the most delivered first, and then everything that has waited', () => {
    const { buffer, push, takeRested, state } = setUp()
    const [innocent, first, second, late] = [unit(0), unit(SUSPECT_FROM), unit(SUSPECT_FROM + 1), unit(0)]
    push(innocent, first, second)
    expect(takeRested()).toBe(second)
    state.isQuiet = false
    push(late)
    expect(buffer.take()).toBeUndefined()
    state.isQuiet = true
    expect(takeRested()).toBe(first)
    expect([buffer.take()?.unit, buffer.take()?.unit, buffer.take()]).toEqual([innocent, late, undefined])
  })

  it('runs the items of one suspect side by side', () => {
    const { buffer, push, takeRested } = setUp()
    const chunk = unit(SUSPECT_FROM, [item(1), item(2)])
    push(chunk, unit(0))
    expect(takeRested()).toBe(chunk)
    expect(buffer.take()).toMatchObject({ unit: chunk, item: item(2) })
  })

  it('sends others back before they come near the limit, and waits until they are', () => {
    const { buffer, push, takeRested, state, sentBack } = setUp()
    const [culprit, near, far] = [unit(SEND_BACK_FROM + 2), unit(SEND_BACK_FROM), unit(SEND_BACK_FROM - 1)]
    push(near, far, culprit)
    expect(buffer.take()).toBeUndefined()
    expect(sentBack).toEqual([near])
    state.isQuiet = false
    expect(takeRested()).toBeUndefined()
    state.isQuiet = true
    expect(takeRested()).toBe(culprit)
    expect(sentBack).toEqual([near])
  })

  it('goes on with the others when its suspects are taken out', () => {
    const { buffer, push, takeRested } = setUp()
    const [innocent, suspect] = [unit(0), unit(SUSPECT_FROM)]
    push(innocent, suspect)
    expect(buffer.take()).toBeUndefined()
    expect(buffer.remove((one) => one === suspect)).toEqual([suspect])
    expect(buffer.take()?.unit).toBe(innocent)

    push(innocent, suspect)
    expect(takeRested()).toBe(suspect)
    expect(buffer.size).toBe(1)
    expect(buffer.remove(() => true)).toEqual([innocent])
    expect([buffer.size, buffer.take()]).toEqual([0, undefined])
    expect(vi.getTimerCount()).toBe(0)
  })
})
