import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import path from 'node:path'
import { promisify } from 'node:util'

import { createSilentLogger, openDatabase } from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { connect } from 'amqplib'

import { type MissingPeer, type PeerRates, ratePerSecond } from './peer.ts'

const run = promisify(execFile)

const JOBS = 4_000
const PROCESSES = 2
/** Messages that each process holds. */
const PREFETCH = 50
const TIMEOUT_MS = 600_000
const NAME = 'Celery'

export interface CeleryOptions {
  /** A Python that may import celery, sqlalchemy and psycopg2. */
  readonly python: string
  readonly brokerUrl: string
  /** An empty database for the results. */
  readonly databaseUrl: string
  /** Its producer waits for the broker to take each task. Otherwise it loses those on their way when a connection goes down. */
  readonly confirmed: boolean
}

/**
 * Celery on a RabbitMQ, with late ack, without which it loses tasks of workers that are killed, and results in PostgreSQL, which is
 * the history that it can keep. Everything else but what the options say is as Celery sets it, such as a classic queue.
 */
export async function measureCelery(options: CeleryOptions): Promise<PeerRates | MissingPeer> {
  const { brokerUrl, databaseUrl, confirmed } = options
  // It is started in another folder.
  const python = options.python.includes(path.sep) ? path.resolve(options.python) : options.python
  const version = await versionOf(python)
  if (version === undefined) return { name: NAME, missing: howToInstall(python) }
  const queue = `celery-${randomBytes(4).toString('hex')}`
  const env = {
    ...process.env,
    PYTHONDONTWRITEBYTECODE: '1',
    PEER_BROKER_URL: brokerUrl,
    PEER_RESULTS_URL: databaseUrl.replace(/^postgres(ql)?:/, 'db+postgresql+psycopg2:'),
    PEER_QUEUE: queue,
    PEER_PREFETCH: String(PREFETCH),
    PEER_CONFIRM: confirmed ? 'yes' : 'no',
  }
  const here = { cwd: import.meta.dirname, env }
  try {
    const { stdout } = await run(python, ['celery_peer.py', String(JOBS)], here)
    const { seconds } = JSON.parse(stdout) as { seconds: number }
    const runPerSecond = await drain({ python, databaseUrl, here })
    return {
      name: confirmed ? `${NAME} publishing confirmed` : `${NAME} publishing unconfirmed, its default`,
      version,
      settings: `late ack, classic durable queue, persistent, result rows in PostgreSQL, ${PROCESSES} processes`,
      jobs: JOBS,
      addPerSecond: (JOBS - 1) / seconds,
      runPerSecond,
    }
  } finally {
    await removeQueue(brokerUrl, queue)
  }
}

interface Worker {
  readonly python: string
  readonly databaseUrl: string
  readonly here: { readonly cwd: string; readonly env: NodeJS.ProcessEnv }
}

/** From the first result that is seen to the last. */
async function drain({ python, databaseUrl, here }: Worker): Promise<number> {
  const quiet = ['--loglevel', 'ERROR', '--without-gossip', '--without-mingle', '--without-heartbeat']
  const worker = spawn(
    python,
    ['-W', 'ignore', '-m', 'celery', '-A', 'celery_peer', 'worker', '--concurrency', String(PROCESSES), ...quiet],
    { ...here, stdio: ['ignore', 'ignore', 'inherit'] },
  )
  const exited = once(worker, 'exit')
  const ended = exited.then(([status]) => {
    throw new Error(`The worker of Celery ended with ${String(status)} before its work was done.`)
  })
  const database = openDatabase({ url: databaseUrl, logger: createSilentLogger() })
  const results = async (): Promise<number> => {
    const [row] = await database.query<{ count: number }>('select count(*) as count from celery_taskmeta')
    return row?.count ?? 0
  }
  const whenThereAre = async (least: number) => {
    const options = { describe: `${least} results of Celery`, timeoutMs: TIMEOUT_MS, intervalMs: 50 }
    const look = async () => {
      const count = await results()
      return count >= least && { count, at: performance.now() }
    }
    return Promise.race([waitFor(look, options), ended])
  }
  try {
    const first = await whenThereAre(1)
    const last = await whenThereAre(JOBS)
    return ratePerSecond(last.count - first.count, first.at, last.at)
  } finally {
    worker.kill('SIGTERM')
    await exited
    // Its end was asked for.
    await ended.catch(() => undefined)
    await database.close()
  }
}

/** `undefined` when it cannot be measured with this Python. */
async function versionOf(python: string): Promise<string | undefined> {
  try {
    const { stdout } = await run(python, ['-c', 'import celery, psycopg2, sqlalchemy; print(celery.__version__)'])
    return stdout.trim()
  } catch {
    // It is not installed: the caller says so, and how to do that.
    return undefined
  }
}

function howToInstall(python: string): string {
  return `${python} cannot import celery, sqlalchemy and psycopg2; python3 -m venv celery && celery/bin/pip install celery sqlalchemy psycopg2-binary, then --python celery/bin/python`
}

async function removeQueue(brokerUrl: string, queue: string): Promise<void> {
  const connection = await connect(brokerUrl)
  const channel = await connection.createChannel()
  await channel.deleteQueue(queue)
  await channel.deleteExchange(queue)
  await connection.close()
}
