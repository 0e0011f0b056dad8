import { isFinal } from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { testBroker, testDatabase } from '@blockmill/testkit/vitest'
import { expect, it } from 'vitest'

import { expectEveryBlockDone } from './src/expected-tasks.ts'
import { readTasks } from './src/record.ts'
import { startSystem, type System } from './src/system.ts'

const broker = testBroker()
const database = testDatabase()

const BLOCKS = 20
const HALF = BLOCKS / 2

async function produceBlocksTo(number: number, { chain }: System): Promise<void> {
  await chain.produceBlock(number - chain.head().number)
}

it('records every task of every block once when a worker is killed in the middle of its work', async () => {
  const system = await startSystem(broker, database)
  await system.startScheduler()
  const doomed = await system.startWorker('doomed')

  await produceBlocksTo(HALF, system)
  await waitFor(
    async () => (await readTasks(system)).some(({ status, worker }) => status === 'succeeded' && worker === 'doomed'),
    { describe: 'the first worker finishes a task' },
  )
  await doomed.kill()
  const unfinished = (await readTasks(system)).filter(({ status }) => !isFinal(status))
  expect(unfinished, 'it was killed while it had work').not.toHaveLength(0)

  await system.startWorker('survivor')
  await produceBlocksTo(BLOCKS, system)
  const tasks = await expectEveryBlockDone(system, BLOCKS)
  expect(new Set(tasks.map(({ worker }) => worker))).toEqual(new Set(['doomed', 'survivor']))
})
