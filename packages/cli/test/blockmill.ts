import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import { waitFor } from '@blockmill/testkit'
import { onTestFinished } from 'vitest'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))

export interface Outcome {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export interface BlockmillOptions {
  readonly environment?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** When a command that hangs is killed. Default 100 s, before its test gives up. */
  readonly timeoutMs?: number
}

/** Runs the command to its end, with no settings but those given. */
export function blockmill(
  args: readonly string[],
  { environment = {}, cwd, timeoutMs = 100_000 }: BlockmillOptions = {},
): Promise<Outcome> {
  const env = { PATH: process.env['PATH'] ?? '', ...environment }
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [MAIN, ...args], { env, cwd, timeout: timeoutMs }, (error, stdout, stderr) => {
      if (error === null) resolve({ status: 0, stdout, stderr })
      else if (typeof error.code === 'number') resolve({ status: error.code, stdout, stderr })
      else reject(error)
    })
  })
}

/** Runs a command that watches something, and interrupts it when it has said `said` on standard error. */
export async function blockmillInterrupted(
  args: readonly string[],
  { environment = {}, said }: { readonly environment?: Readonly<Record<string, string>>; readonly said: string },
): Promise<Pick<Outcome, 'status' | 'stderr'>> {
  const child = spawn(process.execPath, [MAIN, ...args], { env: { PATH: process.env['PATH'] ?? '', ...environment } })
  let stderr = ''
  child.stderr.on('data', (text: Buffer) => (stderr += text.toString()))
  // Its output has been read to its end by then.
  const closed = once(child, 'close')
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await closed
  })
  await waitFor(() => stderr.includes(said), { describe: `the command to say ${JSON.stringify(said)}` })
  child.kill('SIGINT')
  const [status] = await closed
  return { status, stderr }
}
