import { defineRangeTask, type JsonObject, RangeTooLarge } from '@blockmill/core'
import { describe, expect, it } from 'vitest'
import { recordRows } from './row-recorder.ts'
import { runRangeTask } from './run-range-task.ts'

/** Emits its blocks, two at a time, and fails at block 5 in its first attempt. */
const listBlocks = defineRangeTask<Record<string, never>>({
  name: 'list-blocks',
  async run({ range, cursor, emit, checkpoint, throttle, attempt }) {
    for (let block = cursor === undefined ? range.from : Number(cursor); block <= range.to; block += 2) {
      await throttle()
      if (block > 4 && attempt === 1) throw new Error('the node went away')
      await emit([{ block }, ...(block < range.to ? [{ block: block + 1 }] : [])])
      await checkpoint(block + 2)
    }
    return { done: true }
  },
})

describe('runRangeTask', () => {
  it('gives what the handler returned, its rows and its checkpoints', async () => {
    expect(await runRangeTask(listBlocks, { range: { from: 1, to: 3 } })).toEqual({
      result: { done: true },
      cursor: 5,
      rows: [{ block: 1 }, { block: 2 }, { block: 3 }],
      checkpoints: [
        { cursor: 3, rows: 2 },
        { cursor: 5, rows: 3 },
      ],
    })
  })

  it('throws what the handler throws, and keeps what it had emitted, to go on from', async () => {
    const range = { from: 1, to: 6 }
    const recorder = recordRows()
    await expect(runRangeTask(listBlocks, { range, recorder })).rejects.toThrow('the node went away')
    const [last] = recorder.checkpoints.slice(-1)
    expect(last).toEqual({ cursor: 5, rows: 4 })
    const { rows } = await runRangeTask(listBlocks, { range, cursor: last?.cursor ?? null, attempt: 2 })
    expect([...recorder.rows.slice(0, last?.rows), ...rows]).toEqual([1, 2, 3, 4, 5, 6].map((block) => ({ block })))

    const tooLarge = defineRangeTask({ name: 'too-large', run: () => Promise.reject(new RangeTooLarge('10,000 rows')) })
    await expect(runRangeTask(tooLarge, { range })).rejects.toThrow(RangeTooLarge)
  })

  it.each([
    ['text', 'ROW_INVALID'],
    [{ value: 10n }, 'ROW_INVALID'],
    [{ text: 'x'.repeat(2 ** 20) }, 'MESSAGE_TOO_LARGE'],
  ])('refuses row %# as a worker would, also when nobody awaits it', async (row, code) => {
    const careless = defineRangeTask({ name: 'careless', run: ({ emit }) => void emit([row as unknown as JsonObject]) })
    await expect(runRangeTask(careless, { range: { from: 1, to: 1 } })).rejects.toMatchObject({ code })
  })

  it('refuses a cursor and a result that are not JSON', async () => {
    const range = { from: 1, to: 1 }
    const cursor = defineRangeTask({ name: 'cursor', run: ({ checkpoint }) => checkpoint(10n as never) })
    await expect(runRangeTask(cursor, { range })).rejects.toMatchObject({ code: 'CHECKPOINT_INVALID' })
    const result = defineRangeTask({ name: 'result', run: () => new Map() })
    await expect(runRangeTask(result, { range })).rejects.toMatchObject({ code: 'RESULT_NOT_JSON' })
  })
})
