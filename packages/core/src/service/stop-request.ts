/** Signals that ask a process to end. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * One Ctrl-C can arrive several times: from the terminal, and from each parent that passes it on. Within this time it is
 * the same request; after it, somebody is impatient.
 */
const SAME_REQUEST_MS = 500

/** Exit status of a process that was told twice. */
const IMPATIENT_STATUS = 130

/** A request to end, heard from signals and from the parent process. */
export interface StopRequest {
  /** Aborted by the first request; its reason names what asked. */
  readonly signal: AbortSignal
  /** Asks from within the process: as a signal does, but never impatient. */
  ask(by: string): void
  /** Stops listening. */
  dispose(): void
}

/**
 * Listens for the request to end. A second one ends the process at once, with status 130. When the process was started
 * with an IPC channel, the end of the parent counts as a request, so that nothing is left behind by one that was killed.
 *
 * @param onRequest told what asked: a signal, or `the end of the parent process`.
 */
export function listenForStop(
  onRequest: (by: string) => void,
  { host = process, now = Date.now }: { host?: NodeJS.Process; now?: () => number } = {},
): StopRequest {
  const controller = new AbortController()
  let firstAt: number | undefined
  const request = (by: string): void => {
    if (firstAt === undefined) {
      firstAt = now()
      onRequest(by)
      controller.abort(new Error(`stopped by ${by}`))
    } else if (now() - firstAt >= SAME_REQUEST_MS) {
      host.exit(IMPATIENT_STATUS)
    }
  }
  const onDisconnect = (): void => request('the end of the parent process')
  for (const signal of SIGNALS) host.on(signal, request)
  if (host.connected) host.on('disconnect', onDisconnect)
  return {
    signal: controller.signal,
    ask(by) {
      if (firstAt === undefined) request(by)
    },
    dispose() {
      for (const signal of SIGNALS) host.off(signal, request)
      host.off('disconnect', onDisconnect)
    },
  }
}
