/** Work that is done again and again, never twice at once. */
export interface RecurringWork {
  /** Begins the first run, and does not wait for it. Idempotent. */
  start(): void
  /** Aborts the signal of the run that is under way, and resolves when it has ended. Idempotent. */
  stop(): Promise<void>
}

/** Nothing happens before `start()`. The work reports its own failures: it must not reject. */
export function createRecurringWork({
  work,
  intervalMs,
}: {
  readonly work: (signal: AbortSignal) => Promise<void>
  /** From the end of one run to the beginning of the next. */
  readonly intervalMs: number
}): RecurringWork {
  const stopping = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined

  const run = async (): Promise<void> => {
    await work(stopping.signal)
    if (!stopping.signal.aborted) timer = setTimeout(next, intervalMs)
  }
  const next = (): void => {
    running = run()
  }

  return {
    start() {
      if (running === undefined && !stopping.signal.aborted) next()
    },
    async stop() {
      stopping.abort(new Error('recurring work stops'))
      clearTimeout(timer)
      await running
    },
  }
}
