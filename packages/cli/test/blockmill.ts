import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))

export interface Outcome {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command to its end, with no settings but those given. */
export function blockmill(
  args: readonly string[],
  { environment = {}, cwd }: { environment?: Record<string, string>; cwd?: string } = {},
): Promise<Outcome> {
  const env = { PATH: process.env['PATH'] ?? '', ...environment }
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [MAIN, ...args], { env, cwd, timeout: 60_000 }, (error, stdout, stderr) => {
      if (error === null) resolve({ status: 0, stdout, stderr })
      else if (typeof error.code === 'number') resolve({ status: error.code, stdout, stderr })
      else reject(error)
    })
  })
}
