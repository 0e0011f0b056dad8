const SIGNALS = ['SIGINT', 'SIGTERM'] as const

/** Runs work that the first Ctrl-C, or a request to end, aborts instead of killing the process. */
export async function untilInterrupted<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const interrupted = new AbortController()
  const interrupt = (): void => interrupted.abort()
  for (const signal of SIGNALS) process.once(signal, interrupt)
  try {
    return await work(interrupted.signal)
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupt)
  }
}
