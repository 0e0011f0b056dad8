import { createLogger, type Database } from '@blockmill/core'
import { describe, expect, it } from 'vitest'

import { createStorage } from './storage.ts'

const coded = (code: string) => Object.assign(new Error('failed'), { code })

/** A storage whose time is that of its pauses, and what it logs. */
function setUp() {
  const log: { level: number; msg: string; failures?: number }[] = []
  const pauses: number[] = []
  let nowMs = 0
  const storage = createStorage({
    database: { address: 'test' } as Database,
    logger: createLogger({ service: 'test', destination: { write: (line) => void log.push(JSON.parse(line)) } }),
    onRetry: () => undefined,
    now: () => nowMs,
    async pause(ms, signal) {
      signal.throwIfAborted()
      pauses.push(ms)
      nowMs += ms
    },
  })
  return { storage, log, pauses }
}

/** A write that fails so many times. */
function failing(times: number, error: Error) {
  let failures = 0
  return async () => {
    failures += 1
    if (failures <= times) throw error
  }
}

const { signal } = new AbortController()
const WARN = 40
const ERROR = 50

describe('storing records', () => {
  it('warns when the database goes away and says from time to time that it still is, in the end as an error', async () => {
    const { storage, log } = setUp()
    await storage.store(failing(60, coded('57P01')), signal)
    const levels = log.filter(({ failures }) => failures !== undefined).map(({ level }) => level)
    expect(levels[0]).toBe(WARN)
    expect(levels.at(-1)).toBe(ERROR)
    expect(levels.length).toBeGreaterThan(3)
    expect(levels.length).toBeLessThan(15)
    expect(log.at(-1)?.msg).toBe('the database takes records again')
  })

  it.each([coded('42703'), new TypeError('x is not a function')])('reports %s as an error at once', async (mistake) => {
    const { storage, log, pauses } = setUp()
    await storage.store(failing(2, mistake), signal)
    expect(log[0]).toMatchObject({ level: ERROR, err: { message: mistake.message } })
    expect(pauses).toHaveLength(2)
  })

  it('pauses after a conflict, without a word, and ends when it is told to', async () => {
    const { storage, log, pauses } = setUp()
    await storage.store(failing(3, coded('40P01')), signal)
    expect(pauses).toHaveLength(3)
    expect(log).toEqual([])
    const stopping = new AbortController()
    stopping.abort(new Error('stopped'))
    await expect(storage.store(failing(Infinity, coded('40P01')), stopping.signal)).rejects.toThrow('stopped')
  })
})
