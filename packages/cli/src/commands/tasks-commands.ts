import {
  type AnyRangeTaskDefinition,
  type AnyTaskDefinition,
  defineSettings,
  describeCondition,
  discoverTasks,
  formatDuration,
  loadConfig,
  type RegisteredRangeTask,
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
    const registry = await discoverTasks(config.taskPackages)
    const found = [...registry.list().map(describeTask), ...registry.listRangeTasks().map(describeRangeTask)]
    const table = textTable(
      ['task', 'chains', 'runs', 'arguments', 'queue', 'head', 'timeout', 'file'],
      found.map((one) => [
        one.name,
        one.chainKind,
        one.runs,
        one.arguments ?? '-',
        one.queue,
        one.head ?? '-',
        one.timeout ?? '-',
        one.file,
      ]),
    )
    process.stdout.write(`${json ? JSON.stringify(found, undefined, 2) : `${table}\n${found.length} tasks`}\n`)
  })
}

function describeTask({ definition, file }: RegisteredTask) {
  const { condition, args, head, priority } = definition
  return {
    ...describeExecution(definition),
    runs: describeCondition(condition),
    arguments: typeof args === 'function' ? 'computed' : `${args.length} ${args.length === 1 ? 'set' : 'sets'}`,
    head,
    priority,
    file,
  }
}

/** Arguments and blocks of a range task are those of its jobs. */
function describeRangeTask({ definition, file }: RegisteredRangeTask) {
  const { batchSize, priority } = definition
  return {
    ...describeExecution(definition),
    runs: `over ranges, in batches of ${batchSize}`,
    arguments: null,
    head: null,
    priority: priority ?? null,
    file,
  }
}

function describeExecution({ kind, name, chainKind, queue, timeoutMs }: AnyTaskDefinition | AnyRangeTaskDefinition) {
  return { name, kind, chainKind, queue, timeout: timeoutMs === undefined ? null : formatDuration(timeoutMs) }
}
