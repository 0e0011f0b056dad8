import type { Command } from 'commander'

import { auditedWhereSet } from '../audited.ts'
import { answersOf } from '../control/answers.ts'
import { addControlOptions, type ControlFlags, withControl } from '../control/with-control.ts'
import { EXIT_STATUS } from '../exit-status.ts'
import type { SetStatus } from '../run-cli.ts'
import { addQuestion, stats } from './inspect-commands.ts'

/** Adds `blockmill workers list`, which is what `blockmill workers` does, and `shutdown`. */
export function addWorkersCommands(program: Command, setStatus: SetStatus): void {
  const workers = program.command('workers').description('list workers, or stop one')
  addQuestion(
    workers.command('list', { isDefault: true }).description('workers that are there; status 1 when there is none'),
    setStatus,
    stats,
  )
  const shutdown = workers
    .command('shutdown')
    .description('stop a worker gracefully: it finishes what it runs; status 1 when none of this name answers')
    .argument('<worker>', 'its name')
  addControlOptions(shutdown).action(async (worker: string, flags: ControlFlags) => {
    const replies = await auditedWhereSet(shutdown, () =>
      withControl(shutdown, flags, ({ control }) => control.shutdown(worker)),
    )
    const { workers: names } = answersOf(replies)
    const isStopping = names.length > 0
    const text = isStopping ? `${worker} stops.` : `No worker named ${worker} answered.`
    process.stdout.write(`${flags.json === true ? JSON.stringify({ worker, isStopping }) : text}\n`)
    setStatus(isStopping ? EXIT_STATUS.ok : EXIT_STATUS.failure)
  })
}
