/** Makes whoever asks while an answer is being looked for wait for the same one, instead of looking again. */
export function shareInFlight<Result>(look: () => Result | Promise<Result>): () => Promise<Result> {
  let current: Promise<Result> | undefined
  return () => {
    const looking = current ?? (async () => look())().finally(() => (current = undefined))
    current = looking
    return looking
  }
}
