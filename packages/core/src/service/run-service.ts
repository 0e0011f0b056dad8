import { setTimeout as sleep } from 'node:timers/promises'

import type { ConfigOf, Settings } from '../config/define-settings.ts'
import { loadConfig, type LoadConfigOptions } from '../config/load-config.ts'
import { ConfigurationError } from '../errors/blockmill-error.ts'
import { createLogger, type Logger, type LogLevel } from '../observability/logger.ts'
import type { Setting } from '../config/setting.ts'
import { listenForStop } from './stop-request.ts'

/** A service as its process sees it. */
export interface Service {
  /** Resolves when it works. May return the address it serves on, which a parent process is told. */
  start(): Promise<string | void>
  /** Resolves when nothing is in flight. Idempotent, and allowed while `start` is under way. */
  stop(): Promise<void>
}

/** What a service is made from. */
export interface ServiceContext<Given extends Settings> {
  readonly config: ConfigOf<Given>
  readonly logger: Logger
  /** Aborted when the process was asked to end: for whatever waits during the start. */
  readonly stopping: AbortSignal
  /** Asks the process to end, as a signal does; `by` says who asked. */
  readonly requestStop: (by: string) => void
  /** Ends the service because of an error that it cannot get over. */
  readonly fail: (error: unknown) => void
}

export interface RunServiceOptions<Given extends Settings & LogSettings> extends LoadConfigOptions {
  /** Name on each log line: `worker`. */
  readonly name: string
  readonly settings: Given
  readonly create: (context: ServiceContext<Given>) => Service | Promise<Service>
}

type LogSettings = { readonly logLevel: Setting<LogLevel> }

/** How long what is left open after a stop may keep the process alive. */
const LINGER_MS = 5_000

/**
 * The life of a service's process: configuration, create, start, wait for SIGINT or SIGTERM, stop. A second signal exits
 * at once. Errors that nobody caught are logged and end the process with status 1, because what they left behind is
 * unknown; redelivery does the rest.
 *
 * @returns the exit status: 0 after a stop that was asked for, 1 after a failure. A configuration error is written to
 * standard error as text, without a stack, because a person must act on it.
 */
export async function runService<Given extends Settings & LogSettings>({
  name,
  settings,
  create,
  ...sources
}: RunServiceOptions<Given>): Promise<number> {
  let logger: Logger | undefined
  const stopRequest = listenForStop((by) => logger?.info({ by }, 'stopping'))
  const ended = Promise.withResolvers<never>()
  // Somebody always waits for it below; until then a failure must not count as one that nobody handles.
  ended.promise.catch(() => undefined)
  stopRequest.signal.addEventListener('abort', () => ended.reject(stopRequest.signal.reason))
  let creating: Promise<Service> | undefined
  let status: number
  try {
    const { config } = await loadConfig(settings, sources)
    // Given has the settings of the log by its bound, which the type of its configuration does not know.
    const { logLevel } = config as unknown as ConfigOf<LogSettings>
    logger = createLogger({ service: name, level: logLevel })
    exitOnUncaught(logger)
    logger.info('starting')
    const context = {
      config,
      logger,
      stopping: stopRequest.signal,
      requestStop: (by: string) => stopRequest.ask(by),
      fail: ended.reject,
    }
    creating = Promise.resolve(create(context))
    const service = await Promise.race([creating, ended.promise])
    const url = await Promise.race([service.start(), ended.promise])
    process.send?.({ type: 'started', ...(url === undefined ? {} : { url }) })
    await ended.promise
    status = 0
  } catch (error) {
    status = stopRequest.signal.aborted ? 0 : report(error, logger)
  }
  try {
    // It may be asked to stop while it is being created: what comes of that is stopped too.
    await (await settledWithin(LINGER_MS, creating))?.stop()
  } catch (error) {
    status = report(error, logger)
  }
  logger?.info({ status }, 'stopped')
  stopRequest.dispose()
  if (process.connected) process.disconnect()
  exitSoon(status, logger)
  return status
}

/** What the promise resolves with; `undefined` when it takes too long, or rejects, which is told elsewhere. */
async function settledWithin<Value>(ms: number, promise: Promise<Value> | undefined): Promise<Value | undefined> {
  const over = new AbortController()
  try {
    return await Promise.race([promise, sleep(ms, undefined, { signal: over.signal })])
  } catch {
    return undefined
  } finally {
    over.abort()
  }
}

function report(error: unknown, logger: Logger | undefined): number {
  if (error instanceof ConfigurationError) process.stderr.write(`${error.message}\n`)
  else if (logger === undefined) process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
  else logger.fatal({ err: error }, 'failed')
  return 1
}

function exitOnUncaught(logger: Logger): void {
  process.on('uncaughtException', (error, origin) => {
    logger.fatal({ err: error, origin }, 'an error that nobody caught')
    process.exit(1)
  })
}

/** Nothing should be open now. If something is, it is named, and the process ends all the same. */
function exitSoon(status: number, logger: Logger | undefined): void {
  const timer = setTimeout(() => {
    logger?.warn({ open: process.getActiveResourcesInfo() }, 'something was left open')
    process.exit(status)
  }, LINGER_MS)
  timer.unref()
}
