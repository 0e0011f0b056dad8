import { type ChildProcess, fork } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { createInterface } from 'node:readline'

import { within } from '@blockmill/core'
import { prettyFactory } from 'pino-pretty'

/** How to start one process of the demo. */
export interface DemoChildOptions {
  readonly name: string
  /** Module to run. */
  readonly main: string
  readonly args: readonly string[]
  readonly environment: NodeJS.ProcessEnv
  /** Gets everything that the process prints. */
  readonly logFile: string
}

/** A process of the demo. It is in a process group of its own, so that Ctrl-C does not end all at once, in any order. */
export interface DemoChild {
  readonly name: string
  /** Resolves with the address that it serves on. Rejects with an `UnexpectedEnd` when the process ends before. */
  readonly started: Promise<string>
  /** Rejects with an `UnexpectedEnd` when the process ends without having been stopped. Never resolves. */
  readonly failed: Promise<never>
  /** Asks it to end, and kills it when it has not after the grace. Idempotent. */
  stop(): Promise<void>
}

/** A process of the demo ended by itself. The text has its last lines. */
export class UnexpectedEnd extends Error {
  override readonly name = 'UnexpectedEnd'
}

/** Longer than the 30 s that a worker gives its handlers. */
const STOP_GRACE_MS = 35_000
/** What it printed last is read after its end; a process of its own that still lives keeps that from ending. */
const OUTPUT_ENDS_WITHIN_MS = 2_000
const LAST_LINES = 15
const MOST_COLUMNS = 240

/** Starts a process that tells by IPC when it has started, as `runService` does. */
export function startDemoChild({ name, main, args, environment, logFile }: DemoChildOptions): DemoChild {
  const child = fork(main, args, {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    detached: true,
  })
  const lastLines = keepOutput(child, logFile)
  const started = Promise.withResolvers<string>()
  const failed = Promise.withResolvers<never>()
  const ended = Promise.withResolvers<void>()
  const printed = Promise.withResolvers<void>()
  let isStopping = false

  child.once('close', () => printed.resolve())
  child.on('message', (message: { readonly url?: string }) => started.resolve(message.url ?? ''))
  child.once('error', (error) => {
    ended.resolve()
    failed.reject(error)
  })
  const tellEnd = async (how: string): Promise<void> => {
    await within(OUTPUT_ENDS_WITHIN_MS, printed.promise)
    failed.reject(new UnexpectedEnd(`${name} ${how}. Its last lines, from ${logFile}:\n${lastLines()}`))
  }
  child.once('exit', (code, signal) => {
    ended.resolve()
    if (!isStopping) void tellEnd(signal === null ? `ended with status ${code}` : `was ended by ${signal}`)
  })
  failed.promise.catch(started.reject)
  // Both are waited for by whoever started it, as long as it matters.
  started.promise.catch(() => undefined)

  return {
    name,
    started: started.promise,
    failed: failed.promise,
    async stop() {
      isStopping = true
      child.kill('SIGTERM')
      const killing = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS)
      await ended.promise
      clearTimeout(killing)
    },
  }
}

function keepOutput(child: ChildProcess, logFile: string): () => string {
  const file = createWriteStream(logFile)
  let kept: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue
    stream.on('data', (chunk: Buffer) => file.write(chunk))
    createInterface({ input: stream }).on('line', (line) => {
      if (line !== '') kept = [...kept, line].slice(-LAST_LINES)
    })
  }
  child.once('close', () => file.end())
  return () => kept.map(readable).join('\n')
}

const pretty = prettyFactory({ colorize: false, singleLine: true, ignore: 'service', translateTime: 'HH:MM:ss' })

/** A line of a log as a person reads it; the whole of it is in the file. */
function readable(line: string): string {
  const lines = pretty(line).trimEnd().split('\n')
  return lines.map((one) => `  | ${one.length > MOST_COLUMNS ? `${one.slice(0, MOST_COLUMNS)} …` : one}`).join('\n')
}
