import type { Metrics } from '@blockmill/core'
import { Counter } from 'prom-client'

import type { DeadLetter } from './dead-letter.ts'

/** What the recorder of dead letters counts. */
export interface DeadLetterMetrics {
  /** A letter was stored. */
  recorded(letter: Pick<DeadLetter, 'tasks'>): void
}

export function createDeadLetterMetrics(register: Metrics): DeadLetterMetrics {
  const dead = new Counter({
    name: 'blockmill_tasks_dead_total',
    help: 'Tasks whose message ended on the dead queue; a letter that is delivered again counts again.',
    labelNames: ['chain', 'task'],
    registers: [register],
  })
  return {
    recorded({ tasks }) {
      for (const { chain, name } of tasks) dead.inc({ chain, task: name })
    },
  }
}
