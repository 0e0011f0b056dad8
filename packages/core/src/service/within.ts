/**
 * Waits for `work`, but no longer than `limitMs`. What is still under way then goes on unheard.
 *
 * @returns false when the time was over first.
 * @throws what `work` rejects with before that.
 */
export async function within(limitMs: number, work: Promise<unknown>): Promise<boolean> {
  const { promise: timedOut, resolve } = Promise.withResolvers<boolean>()
  const timer = setTimeout(resolve, limitMs, false)
  try {
    return await Promise.race([work.then(() => true), timedOut])
  } finally {
    clearTimeout(timer)
  }
}
