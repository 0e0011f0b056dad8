import { BlockmillError } from '@blockmill/core'
import { Command, CommanderError } from 'commander'

import { addBackfillCommands } from './commands/backfill-commands.ts'
import { addCancelCommand } from './commands/cancel-command.ts'
import { addCleanupCommand } from './commands/cleanup-command.ts'
import { addConfigCommand } from './commands/config-command.ts'
import { addDeadCommands } from './commands/dead-commands.ts'
import { addDevCommands } from './commands/dev-commands.ts'
import { addEnqueueCommand } from './commands/enqueue-command.ts'
import { addFailuresCommand } from './commands/failures-command.ts'
import { addGapsCommand } from './commands/gaps-command.ts'
import { addInspectCommands } from './commands/inspect-commands.ts'
import { addJobsCommands } from './commands/jobs-commands.ts'
import { addMigrateCommand } from './commands/migrate-command.ts'
import { addQueuesCommands } from './commands/queues-commands.ts'
import { addRetryCommand } from './commands/retry-command.ts'
import { addServiceCommands } from './commands/service-commands.ts'
import { addSetupPermissionsCommand } from './commands/setup-permissions-command.ts'
import { addTasksCommands } from './commands/tasks-commands.ts'
import { addWorkersCommands } from './commands/workers-commands.ts'
import { EXIT_STATUS } from './exit-status.ts'

/** Tells the exit status of a command that ran to its end. */
export type SetStatus = (status: number) => void

/**
 * Runs the `blockmill` command.
 *
 * @param args what stands behind the command's name.
 * @returns the exit status, see `EXIT_STATUS`. Errors that a person can act on are written as text, others with their stack.
 */
export async function runCli(args: readonly string[]): Promise<number> {
  let status: number = EXIT_STATUS.ok
  const program = createProgram((value) => {
    status = value
  })
  try {
    await program.parseAsync(args, { from: 'user' })
    return status
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_STATUS.ok : EXIT_STATUS.usage
    process.stderr.write(error instanceof BlockmillError ? `${error.message}\n` : `${describe(error)}\n`)
    return EXIT_STATUS.failure
  }
}

/** The `blockmill` command with all that is below it. */
export function createProgram(setStatus: SetStatus): Command {
  const program = new Command('blockmill')
    .description('Runs a task for every block of a blockchain, and proves that no block was missed.')
    .exitOverride()
    .showHelpAfterError('Add --help to see what there is.')
    .addHelpText('after', '\nExit status: 0 done, 1 failed or misconfigured, 2 wrong usage, 130 interrupted.')
  addServiceCommands(program, setStatus)
  addMigrateCommand(program)
  addSetupPermissionsCommand(program)
  addConfigCommand(program)
  addTasksCommands(program, setStatus)
  addEnqueueCommand(program)
  addFailuresCommand(program)
  addGapsCommand(program, setStatus)
  addCancelCommand(program, setStatus)
  addRetryCommand(program, setStatus)
  addDeadCommands(program, setStatus)
  addBackfillCommands(program, setStatus)
  addJobsCommands(program, setStatus)
  addCleanupCommand(program)
  addInspectCommands(program, setStatus)
  addQueuesCommands(program, setStatus)
  addWorkersCommands(program, setStatus)
  addDevCommands(program, setStatus)
  return program
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
