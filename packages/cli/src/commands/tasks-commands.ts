import {
  defineSettings,
  describeCondition,
  discoverTasks,
  formatDuration,
  loadConfig,
  type RegisteredTask,
  schedulerSettings,
} from '@blockmill/core'
import type { Command } from 'commander'

import type { SetStatus } from '../run-cli.ts'
import { addSettingOptions, settingValues } from '../setting-options.ts'
import { textTable } from '../text-table.ts'
import { addDryRunCommand } from './dry-run-command.ts'

const { taskPackages, configFile } = schedulerSettings
const settings = defineSettings({ taskPackages, configFile })

/** Adds `blockmill tasks list` and `dry-run`. */
export function addTasksCommands(program: Command, setStatus: SetStatus): void {
  const tasks = program.command('tasks').description('look at the tasks of the tasks packages')
  addDryRunCommand(tasks, setStatus)
  const list = tasks.command('list').description('list all tasks').option('--json', 'as JSON')
  addSettingOptions(list, settings).action(async ({ json = false }: { json?: boolean }) => {
    const { config } = await loadConfig(settings, { commandLine: settingValues(list, settings) })
    const found = (await discoverTasks(config.taskPackages)).list().map(describeTask)
    const table = textTable(
      ['task', 'chains', 'runs', 'arguments', 'queue', 'head', 'timeout', 'file'],
      found.map((one) => [
        one.name,
        one.chainKind,
        one.runs,
        one.arguments,
        one.queue,
        one.head,
        one.timeout ?? '-',
        one.file,
      ]),
    )
    process.stdout.write(`${json ? JSON.stringify(found, undefined, 2) : `${table}\n${found.length} tasks`}\n`)
  })
}

function describeTask({ definition, file }: RegisteredTask) {
  const { name, chainKind, condition, args, queue, head, priority, timeoutMs } = definition
  return {
    name,
    chainKind,
    runs: describeCondition(condition),
    arguments: typeof args === 'function' ? 'computed' : `${args.length} ${args.length === 1 ? 'set' : 'sets'}`,
    queue,
    head,
    priority,
    timeout: timeoutMs === undefined ? null : formatDuration(timeoutMs),
    file,
  }
}
