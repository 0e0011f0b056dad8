import { defineTask } from '@blockmill/core'

/**
 * The smallest task: it runs for every block, because it has no condition. What `run` returns is stored with the task, and
 * shown by the monitor.
 */
export const noteBlock = defineTask({
  name: 'note-block',
  run({ block, log }) {
    // Each line carries task, id, attempt and block by itself.
    log.debug('noted')
    return { number: block.number, isEven: block.number % 2 === 0 }
  },
})
