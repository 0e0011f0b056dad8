import { vi } from 'vitest'

import { runCli } from '../src/run-cli.ts'
import type { Outcome } from './blockmill.ts'

type Done = () => void

const SETTING = /^(BLOCKMILL_.+|(RABBITMQ|DATABASE|CHAIN)_URL|LOG_LEVEL|HOST|PORT)$/

let last: Promise<unknown> = Promise.resolve()

/**
 * Runs the command to its end in this process, which takes milliseconds, with no settings but those given, and catches what
 * it writes. One at a time: a call waits for those before it.
 */
export function runHere(args: readonly string[], environment: Readonly<Record<string, string>>): Promise<Outcome> {
  const outcome = last.then(() => runNow(args, environment))
  last = outcome.catch(() => undefined)
  return outcome
}

async function runNow(args: readonly string[], environment: Readonly<Record<string, string>>): Promise<Outcome> {
  for (const key of Object.keys(process.env)) if (SETTING.test(key)) vi.stubEnv(key, undefined)
  for (const [key, value] of Object.entries(environment)) vi.stubEnv(key, value)
  const [stdout, stderr] = [catchWrites(process.stdout), catchWrites(process.stderr)]
  try {
    const status = await runCli(args)
    return { status, stdout: stdout.text(), stderr: stderr.text() }
  } finally {
    stdout.restore()
    stderr.restore()
    vi.unstubAllEnvs()
  }
}

function catchWrites(stream: NodeJS.WriteStream) {
  const chunks: Buffer[] = []
  const spy = vi.spyOn(stream, 'write').mockImplementation((chunk, encoding?: BufferEncoding | Done, done?: Done) => {
    chunks.push(Buffer.from(chunk as string))
    const then = typeof encoding === 'function' ? encoding : done
    then?.()
    return true
  })
  return { text: () => Buffer.concat(chunks).toString(), restore: () => spy.mockRestore() }
}
