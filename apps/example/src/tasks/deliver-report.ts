import { defineTask } from '@blockmill/core'

/**
 * Depends on something that is not reliable. An attempt that throws is retried by the policy, here three seconds later and
 * up to four more times; the delay is kept by the broker, so it survives restarts of everything.
 */
export const deliverReport = defineTask({
  name: 'deliver-report',
  retry: { maxAttempts: 5, backoff: { type: 'constant', pause: '3s' } },
  run({ block, taskId, attempt }) {
    deliver(taskId, attempt)
    return { block: block.number, deliveredAtAttempt: attempt }
  },
})

/** Stands for a service that fails now and then: for about a third of the tasks, at the first attempt. */
function deliver(reportId: string, attempt: number): void {
  // The id stays the same at every attempt. A real service would be given it, so that it can tell a repetition.
  const isUnlucky = Number.parseInt(reportId.slice(-1), 16) < 5
  if (isUnlucky && attempt === 1) throw new Error(`The service does not take report ${reportId} now.`)
}
