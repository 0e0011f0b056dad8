import { randomUUID } from 'node:crypto'
import { type ExecutionParts, RangeTooLarge } from '@blockmill/core'
import { describe, expect, it } from 'vitest'
import { createAttempt } from '../execute/attempt.ts'
import { runRange } from './run-range.ts'

type Attempt = ReturnType<typeof createAttempt>

/** An attempt of a batch that so many executions have left rows behind for. */
function attemptAfter(executions: number): Attempt {
  const parts: ExecutionParts[] = Array.from({ length: executions }, () => ({
    execution: randomUUID(),
    parts: 99_999,
    rows: 99_999_999,
  }))
  const message = { task: 'fetch', rootId: randomUUID(), checkpoint: { cursor: 5, parts } }
  const item = { id: randomUUID(), range: { from: 0, to: 9 }, args: {} }
  return createAttempt({ message } as unknown as Attempt['unit'], item, 0)
}

function run(attempt: Attempt, handler: () => unknown) {
  return runRange(attempt, { publishPart: async () => undefined, throttle: async () => undefined }, handler)
}

describe('a batch that goes on from checkpoints again and again', () => {
  it('keeps a result that is small enough, and is cut to pieces before it would not be', async () => {
    const manifest = await run(attemptAfter(999), () => undefined)
    expect(manifest.parts).toHaveLength(999)
    expect(JSON.stringify(manifest).length).toBeLessThan(128 * 1024)
    let isCalled = false
    const tooMany = run(attemptAfter(1_000), () => (isCalled = true))
    await expect(tooMany).rejects.toThrow(RangeTooLarge)
    expect(isCalled).toBe(false)
  })
})
