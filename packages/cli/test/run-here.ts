import { vi } from 'vitest'

import { runCli } from '../src/run-cli.ts'
import type { Outcome } from './blockmill.ts'

type Done = () => void

/** Runs the command in this process, which takes milliseconds, one at a time, and catches what it writes. */
export async function runHere(args: readonly string[], environment: Record<string, string>): Promise<Outcome> {
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
