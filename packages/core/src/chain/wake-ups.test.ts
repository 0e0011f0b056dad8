import { describe, expect, it } from 'vitest'

import { createWakeUps } from './wake-ups.ts'

describe('createWakeUps', () => {
  it('wakes every listener, also for what was notified before its loop began', async () => {
    const wakeUps = createWakeUps()
    const signal = new AbortController().signal
    const first = wakeUps.listen(signal)
    const second = wakeUps.listen(signal)

    wakeUps.notify()

    expect((await first.next()).done).toBe(false)
    expect((await second.next()).done).toBe(false)
    wakeUps.end()
  })

  it('wakes a busy listener once, however often it was notified meanwhile', async () => {
    const wakeUps = createWakeUps()
    let turns = 0
    wakeUps.notify()
    const loop = (async () => {
      for await (const _ of wakeUps.listen(new AbortController().signal)) {
        turns += 1
        if (turns === 1) for (let i = 0; i < 5; i++) wakeUps.notify()
        else wakeUps.end()
      }
    })()
    wakeUps.notify()
    await loop
    expect(turns).toBe(2)
  })

  it('ends a waiting listener when its signal aborts, and leaves the others', async () => {
    const wakeUps = createWakeUps()
    const mine = new AbortController()
    const waiting = wakeUps.listen(mine.signal).next()
    const other = wakeUps.listen(new AbortController().signal)

    mine.abort()

    expect(await waiting).toEqual({ done: true, value: undefined })
    wakeUps.notify()
    expect((await other.next()).done).toBe(false)
    wakeUps.end()
  })

  it('ends at once for a signal that was aborted before, or when the wake-ups have ended', async () => {
    const wakeUps = createWakeUps()
    expect((await wakeUps.listen(AbortSignal.abort()).next()).done).toBe(true)
    wakeUps.end()
    expect((await wakeUps.listen(new AbortController().signal).next()).done).toBe(true)
  })
})
