import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const BLOCKMILL = fileURLToPath(new URL('../../../packages/cli/src/main.ts', import.meta.url))
const LAST_CHARACTERS = 4_000

/** A service of the system under test, in a process of its own. */
export interface ServiceProcess {
  /** Where it serves health checks and metrics. */
  readonly url: string
  /** Resolves with its exit status, however it ends. */
  readonly ended: Promise<number | null>
  /** Ends it in the middle of whatever it does. */
  kill(): Promise<void>
  /** Asks it to end, as an operator does. Resolves with its exit status. */
  stop(): Promise<number | null>
}

/**
 * Runs `blockmill <args>` until it has started.
 *
 * @throws Error with the last it printed, when it ends before.
 */
export async function startService(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<ServiceProcess> {
  const child = fork(BLOCKMILL, args, {
    env: { PATH: process.env['PATH'] ?? '', PORT: '0', ...environment },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const printed = keepOutput(child)
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const started = new Promise<string>((resolve) => {
    child.once('message', (message: { readonly url: string }) => resolve(message.url))
  })
  const url = await Promise.race([started, ended])
  if (typeof url !== 'string') throw new Error(`blockmill ${args.join(' ')} ended with ${url}:\n${printed()}`)
  return {
    url,
    ended,
    async kill() {
      child.kill('SIGKILL')
      await ended
    },
    async stop() {
      child.kill('SIGTERM')
      return await ended
    },
  }
}

function keepOutput(child: ChildProcess): () => string {
  let kept = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      kept = (kept + chunk).slice(-LAST_CHARACTERS)
    })
  }
  return () => kept
}
