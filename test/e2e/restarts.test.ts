import { startNativeBroker, startNativePostgres } from '@blockmill/testkit'
import { expect, it, onTestFinished } from 'vitest'

import { expectEveryBlockDone } from './src/expected-tasks.ts'
import { startSystem } from './src/system.ts'

const BLOCKS = 30

it('schedules and records every block once while broker, database, chain and scheduler go down in turn', async () => {
  const [broker, postgres] = await Promise.all([startNativeBroker(), startNativePostgres()])
  onTestFinished(async () => {
    await Promise.all([broker.stop(), postgres.stop()])
  })
  const system = await startSystem({ ...broker, namespace: 'restarts' }, postgres)
  const { chain } = system
  let scheduler = await system.startScheduler()
  await Promise.all([system.startWorker('one'), system.startWorker('two')])

  // Blocks go on being made, as on a real chain, and each fault hits whatever is under way then.
  const production = (async () => {
    while (chain.head().number < BLOCKS) await chain.produceBlock()
  })()
  const blocksPass = async (count: number): Promise<void> => {
    const target = Math.min(BLOCKS, chain.head().number + count)
    await expect.poll(() => chain.head().number).toBeGreaterThanOrEqual(target)
  }

  await blocksPass(5)
  await broker.kill()
  await blocksPass(2)
  await broker.restart()
  await blocksPass(3)
  await postgres.kill()
  await blocksPass(2)
  await postgres.restart()
  await blocksPass(3)
  chain.faults.refuseConnections(true)
  chain.faults.dropConnections()
  await blocksPass(2)
  chain.faults.refuseConnections(false)
  await blocksPass(3)
  await scheduler.kill()
  await blocksPass(2)
  scheduler = await system.startScheduler()
  await blocksPass(3)
  await production

  await expectEveryBlockDone(system, BLOCKS)
  expect(await scheduler.stop()).toBe(0)
})
