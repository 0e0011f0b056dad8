import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'

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
