import { Cancel, createTaskRegistry, defineTask, Postpone, type StandardSchema } from '@blockmill/core'
import { describe, expect, it } from 'vitest'
import { recordEnqueues } from './enqueue-recorder.ts'
import { runTask } from './run-task.ts'

const withNetuid: StandardSchema<{ netuid: number }> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) =>
      typeof (value as { netuid?: unknown }).netuid === 'number'
        ? { value: value as { netuid: number } }
        : { issues: [{ message: 'must be a number', path: ['netuid'] }] },
  },
}
const notify = defineTask({
  name: 'notify',
  schema: withNetuid,
  run: ({ args }) => args.netuid,
})
const registry = createTaskRegistry([{ definition: notify, file: 'notify.ts' }])

describe('runTask', () => {
  it('gives what the handler returns', async () => {
    expect(await runTask(notify, { args: { netuid: 7 } })).toBe(7)
  })

  it.each([new Postpone('5m', 'too early'), new Cancel('pointless'), new TypeError('boom')])(
    'throws what the handler throws: %o',
    async (error) => {
      const task = defineTask({
        name: 'throws',
        run: () => {
          throw error
        },
      })
      await expect(runTask(task)).rejects.toBe(error)
    },
  )

  it('refuses arguments that a worker would not run the task with', async () => {
    await expect(runTask(notify)).rejects.toMatchObject({
      code: 'MESSAGE_INVALID',
      message: expect.stringMatching(/'notify' would not be run: args.*netuid/) as string,
    })
  })

  it('refuses a result that could not be recorded', async () => {
    const task = defineTask({ name: 'big', run: () => ({ amount: 1n }) })
    await expect(runTask(task)).rejects.toThrow(/'big' cannot be carried by JSON: result\.amount is a bigint/)
  })

  it('lets a handler enqueue, without anything being published', async () => {
    const task = defineTask({ name: 'parent', run: ({ enqueue }) => enqueue(notify, { netuid: 1 }) })
    expect(await runTask(task)).toMatchObject({ isNew: true })
  })
})

describe('recordEnqueues', () => {
  it('keeps what a handler enqueues, in order, by definition and by name', async () => {
    const { enqueue, enqueued } = recordEnqueues({ registry })
    const parent = defineTask({
      name: 'parent',
      async run({ enqueue: next }) {
        await next(notify, { netuid: 1 }, { executeAfter: '5m' })
        await next('notify', { netuid: 2 })
      },
    })
    await runTask(parent, { enqueue })
    expect(enqueued).toMatchObject([
      { task: 'notify', args: { netuid: 1 }, options: { executeAfter: '5m' }, isNew: true },
      { task: 'notify', args: { netuid: 2 }, options: {} },
    ])
  })

  it('refuses what the real one refuses, and keeps nothing of it', async () => {
    const { enqueue, enqueued } = recordEnqueues({ registry })
    await expect(enqueue('notify', { netuid: 'one' })).rejects.toMatchObject({ code: 'ENQUEUE_INVALID' })
    await expect(enqueue('notfy', {})).rejects.toMatchObject({ code: 'TASK_UNKNOWN' })
    await expect(enqueue(notify, { netuid: 1 }, { unique: true })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    expect(enqueued).toEqual([])
  })
})
