import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino'

/**
 * What Blockmill logs through: pino's logger. Levels mean: `debug` each message, `info` life cycle, `warn` healed by
 * itself, `error` a person should look.
 */
export type Logger = PinoLogger

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export interface LoggerOptions {
  /** Name of the service, on every line. */
  readonly service: string
  /** Lowest level that is written. Default `info`. */
  readonly level?: LogLevel
  /** Where lines go. Default standard output. */
  readonly destination?: DestinationStream
}

/** A JSON logger with ISO times and errors written as data. */
export function createLogger({ service, level = 'info', destination }: LoggerOptions): Logger {
  const options = {
    level,
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: pino.stdSerializers.errWithCause },
  }
  return destination === undefined ? pino(options) : pino(options, destination)
}

/** A logger that writes nothing, for tests and one-off tools. */
export function createSilentLogger(): Logger {
  return pino({ level: 'silent' })
}
