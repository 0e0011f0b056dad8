import {
  defineSettings,
  type Duration,
  type EnqueuedTask,
  type JsonObject,
  loadConfig,
  monitorSettings as settingsOfMonitors,
  schedulerSettings,
} from '@blockmill/core'
import { type Command, Option } from 'commander'

import { enqueueOverHttp } from '../enqueue/enqueue-over-http.ts'
import { enqueueTask } from '../enqueue/enqueue-task.ts'
import { anyNumber, jsonObject } from '../option-values.ts'
import { addSettingOptions, settingValues } from '../setting-options.ts'

const { brokerUrl, namespace, monitorQueue, databaseUrl, chain, taskPackages, maxAttempts, configFile } =
  schedulerSettings
const settings = defineSettings({ brokerUrl, namespace, monitorQueue, chain, taskPackages, maxAttempts, configFile })
const uniqueSettings = defineSettings({ ...settings, databaseUrl })
const monitorSettings = defineSettings({ chain, configFile, operatorTokens: settingsOfMonitors.operatorTokens })

interface Options {
  readonly args: JsonObject
  readonly priority?: number
  readonly executeAfter?: Duration | Date
  readonly expires?: Duration | Date
  readonly unique?: boolean
  readonly queue?: string
  readonly block?: number
  readonly monitor?: string
  readonly json?: boolean
}

/** Adds `blockmill enqueue`. */
export function addEnqueueCommand(program: Command): void {
  const command = program
    .command('enqueue')
    .description('enqueue one task by hand and print its id')
    .argument('<task>', 'name of the task')
    .addOption(new Option('--args <json>', 'its arguments').argParser(jsonObject).default({}, '{}'))
    .option('--priority <number>', 'lower goes first; 0 counts', anyNumber)
    .option('--execute-after <time>', 'not before: a duration such as 5m, or a time such as 2026-01-31T12:00:00Z', time)
    .option('--expires <time>', 'fails when it was not started by then: a duration or a time', time)
    .option('--block <number>', 'the block that it is for', anyNumber)
    .option('--queue <name>', 'another queue than its own')
    .option('--unique', 'not while a task with the same arguments and block is live (default without --block)')
    .option('--no-unique', 'also while such a task is live; needs no database')
    .option(
      '--monitor <url>',
      'through the REST API of a monitor: needs neither broker, database nor the tasks package',
    )
    .option('--json', 'as JSON: { "id", "isNew" }')
  addSettingOptions(command, uniqueSettings).action(
    async (task: string, { json = false, args, monitor, ...options }: Options) => {
      const sources = { commandLine: settingValues(command, uniqueSettings) }
      const enqueue = async (): Promise<EnqueuedTask> => {
        if (monitor !== undefined) {
          const { config } = await loadConfig(monitorSettings, sources)
          return enqueueOverHttp({ ...config, url: monitor }, { task, args, options })
        }
        // The client's own rule: only what is unique needs the database.
        const isUnique = options.unique ?? options.block === undefined
        const { config } = isUnique ? await loadConfig(uniqueSettings, sources) : await loadConfig(settings, sources)
        return enqueueTask(config, { task, args, options })
      }
      const enqueued = await enqueue()
      process.stdout.write(`${json ? JSON.stringify(enqueued) : enqueued.id}\n`)
      if (!enqueued.isNew) process.stderr.write('A task with these arguments is live already: this is its id.\n')
    },
  )
}

/** A time with a date is one; everything else is left to the client, which knows durations. */
function time(text: string): Duration | Date {
  return /^\d{4}-\d{2}-\d{2}/.test(text) ? new Date(text) : (text as Duration)
}
