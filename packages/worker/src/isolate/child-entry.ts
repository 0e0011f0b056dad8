import { isMainThread, Worker } from 'node:worker_threads'
import { createEnqueue, discoverTasks, serializeError, unlessAborted } from '@blockmill/core'
import type { RangePorts } from '../rows/run-range.ts'
import { createLazyChain } from './child-chain.ts'
import { moduleBeside } from './child-handle.ts'
import { openChildPort } from './child-port.ts'
import type { ChildSetup, ToChild } from './child-protocol.ts'
import { createJobRunner, type JobRunner } from './job-runner.ts'
import { createRelayedLogger } from './log-relay.ts'
import { createWorkerRequests } from './worker-requests.ts'

// The program of a thread or process that runs the handlers of isolated tasks. It does what `child-protocol` says.

const port = openChildPort()
const requests = createWorkerRequests(port)
let runner: JobRunner | undefined
let close = async (): Promise<void> => undefined

process.on('uncaughtException', (error) => {
  if (runner === undefined) void port.send({ type: 'unusable', error: serializeError(error) })
  else runner.uncaught(error)
})
if (isMainThread) liveAndDieWithParent()
port.onMessage(onMessage)

function onMessage(message: ToChild): void {
  switch (message.type) {
    case 'set-up':
      void setUp(message.setup)
      break
    case 'run':
      void runner?.run(message.job)
      break
    case 'abort':
      runner?.abort(message.reason)
      break
    case 'answer':
      requests.answer(message)
      break
    case 'end':
      void close().finally(() => process.exit(0))
      break
  }
}

async function setUp({ taskPackages, from, chain, maxAttempts, logLevel, parentPid }: ChildSetup): Promise<void> {
  if (isMainThread) new Worker(moduleBeside('parent-watch'), { workerData: parentPid }).unref()
  try {
    const logger = createRelayedLogger(logLevel, (line) => void port.send({ type: 'log', line }))
    const lazy = chain && (await createLazyChain(chain, logger))
    if (lazy !== undefined) close = lazy.close
    const registry = await discoverTasks(taskPackages, from)
    const enqueueFor = (chainId: string) =>
      createEnqueue({ chain: chainId, registry, maxAttempts, publish: requests.publish })
    const range: RangePorts = {
      publishPart: (_attempt, part) => requests.publishPart(part),
      throttle: ({ abort }) => unlessAborted(requests.throttle(), abort.signal),
      onCheckpoint: (checkpoint) => void port.send({ type: 'checkpoint', checkpoint }),
    }
    runner = createJobRunner({ port, registry, chain: lazy?.chain, enqueueFor, range, logger })
    await port.send({ type: 'ready', memoryBytes: port.memoryBytes() })
  } catch (error) {
    await port.send({ type: 'unusable', error: serializeError(error) })
  }
}

/** Signals to the whole group, such as a Ctrl-C, are for the worker: it decides when its children end. */
function liveAndDieWithParent(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
  process.on('disconnect', () => process.exit(0))
  if (!process.connected) process.exit(0)
}
