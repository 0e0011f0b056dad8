const hooks = new Set<() => void>()
let isInstalled = false

/**
 * Runs `hook` when this process exits on its own (not when it is killed by a signal: that is what the records in the state
 * folder are for). It must be synchronous and must not throw. Returns what takes it off again.
 */
export function onProcessExit(hook: () => void): () => void {
  if (!isInstalled) {
    // One listener for all services, so that many of them do not trip the event emitter's leak warning.
    process.on('exit', () => {
      for (const each of hooks) each()
    })
    isInstalled = true
  }
  hooks.add(hook)
  return () => hooks.delete(hook)
}
