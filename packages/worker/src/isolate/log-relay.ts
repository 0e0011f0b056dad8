import { createLogger, type Logger, type LogLevel } from '@blockmill/core'

/** A logger for handlers in a child: the same as in the worker, but that its lines are sent. */
export function createRelayedLogger(level: LogLevel, send: (line: string) => void): Logger {
  return createLogger({ service: 'child', level, destination: { write: send } })
}

/** Writes lines that were logged in a child, with all their fields, as if they had been logged here. */
export function createLogRelay(logger: Logger): (line: string) => void {
  // Errors have become data in the child; another time, their type would be lost.
  const relay = logger.child({}, { serializers: { err: (error: unknown) => error } })
  return (line) => {
    // Time and service are the worker's own, and would come twice.
    const { level, time: _time, service: _service, msg, ...fields } = JSON.parse(line) as Record<string, unknown>
    const label = logger.levels.labels[Number(level)] as LogLevel | undefined
    relay[label ?? 'info'](fields, ...(typeof msg === 'string' ? [msg] : []))
  }
}
