import { type Lane, LANES } from '@blockmill/core'
import { type Command, Option } from 'commander'

import { auditedWhereSet } from '../audited.ts'
import { reportOrder } from '../control/answers.ts'
import { addControlOptions, type ControlFlags, withControl } from '../control/with-control.ts'
import type { SetStatus } from '../run-cli.ts'
import { addQueueMessageCommands } from './queue-message-commands.ts'
import { addQuestion, queues as listOfQueues } from './inspect-commands.ts'

const ORDERS = [
  {
    name: 'pause',
    description: 'start no more tasks of a queue; what runs goes on',
    method: 'pauseQueue',
    done: 'Paused',
  },
  { name: 'resume', description: 'start tasks of a queue again', method: 'resumeQueue', done: 'Resumed' },
] as const

/** Adds `blockmill queues list`, `pause`, `resume`, `purge` and `move`. */
export function addQueuesCommands(program: Command, setStatus: SetStatus): void {
  const queues = program.command('queues').description('look at queues, pause, purge and move them')
  addQuestion(queues.command('list').description('what waits, who consumes, what is paused'), setStatus, listOfQueues)
  for (const { name, description, method, done } of ORDERS) {
    const command = queues
      .command(name)
      .description(`${description}; status 1 when nobody answers`)
      .argument('<queue>', 'which')
      .addOption(new Option('--lane <lane>', 'only this lane of it').choices(LANES))
    addControlOptions(command).action(async (queue: string, { lane, ...flags }: ControlFlags & { lane?: Lane }) => {
      const replies = await auditedWhereSet(command, () =>
        withControl(command, flags, ({ control }) => control[method](queue, lane)),
      )
      setStatus(reportOrder(`${done} ${lane === undefined ? '' : `lane ${lane} of `}${queue}.`, replies, flags))
    })
  }
  addQueueMessageCommands(queues)
}
