import type { Command } from 'commander'

import { answersOf, reportOrder } from '../control/answers.ts'
import { addControlOptions, type ControlFlags, withControl } from '../control/with-control.ts'
import type { SetStatus } from '../run-cli.ts'

/** Adds `blockmill cancel`. */
export function addCancelCommand(program: Command, setStatus: SetStatus): void {
  const command = program
    .command('cancel')
    .description('call tasks off: those that run are aborted, those that wait end as cancelled when a worker gets them')
    .argument('<id...>', 'ids of tasks')
  addControlOptions(command).action(async (ids: string[], flags: ControlFlags) => {
    const replies = await withControl(command, flags, ({ control }) => control.cancel(ids))
    const { running } = answersOf(replies)
    setStatus(reportOrder(`Tasks called off: ${ids.length}; of these were running: ${running}.`, replies, flags))
  })
}
