import { discoverTasks } from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { testBroker } from '@blockmill/testkit/vitest'
import { describe, expect, it } from 'vitest'
import { TASKS } from './isolation-rig.ts'
import { liveRig } from './live-rig.ts'
import { item } from './messages.ts'

const { events, publish, startWorker } = liveRig(testBroker())
const definitions = (await discoverTasks([TASKS])).list().map((task) => task.definition)
const isolation = { taskPackages: [TASKS] }

describe.each(['none', 'thread', 'process'])('a handler with isolation %s', (kind) => {
  const queue = `enqueues-${kind}`

  async function run(does: string, block: number) {
    const parent = { task: kind, maxAttempts: 1, items: [item(block, { does, queue })] }
    await publish(queue, parent)
    const ended = () => events(kind).find(({ taskId, type }) => taskId === item(block).id && type !== 'started')
    return waitFor(ended, { describe: `${does} to end` })
  }

  it('enqueues a task, which runs under the id that the handler was given', async () => {
    await startWorker(queue, definitions, { isolation })
    const parent = await run('enqueueOther', 1)
    expect(parent).toMatchObject({ type: 'succeeded', result: { isNew: true } })
    const { id } = (parent as unknown as { result: { id: string } }).result
    const child = () => events('none').find(({ taskId, type }) => taskId === id && type === 'succeeded')
    await waitFor(child, { describe: 'the other task to succeed' })
  })

  it('fails with a clear error when it enqueues what it cannot', async () => {
    await startWorker(queue, definitions, { isolation })
    expect(await run('enqueueUnknown', 2)).toMatchObject({
      type: 'failed',
      error: { code: 'TASK_UNKNOWN', message: expect.stringContaining("Did you mean 'none'?") as string },
    })
    expect(await run('enqueueUnique', 3)).toMatchObject({ type: 'failed', error: { code: 'CONFIG_INVALID' } })
  })
})
