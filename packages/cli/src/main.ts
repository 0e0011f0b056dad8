#!/usr/bin/env -S node --max-semi-space-size=16 --heap-growing-percent=100
// Rows of range jobs are short-lived garbage, for which Node would hold a hundred megabytes more by itself.
import { endOnSignals } from './end-on-signals.ts'

endOnSignals()
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  // Whoever reads, `head` say, has enough.
  process.exit()
})
const { runCli } = await import('./run-cli.ts')
process.exitCode = await runCli(process.argv.slice(2))
