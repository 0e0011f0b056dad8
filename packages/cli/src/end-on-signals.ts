import { constants } from 'node:os'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Ends the process by SIGINT, SIGTERM and SIGHUP as long as nobody else listens for them. That is what they do by themselves, but not
 * to process 1, which a container's command is: there a signal that nobody listens for has no effect, while the command is
 * still being loaded, say.
 */
export function endOnSignals(host: NodeJS.Process = process): void {
  if (host.pid !== 1) return
  for (const signal of SIGNALS) {
    host.on(signal, () => {
      if (host.listenerCount(signal) === 1) host.exit(128 + constants.signals[signal])
    })
  }
}
