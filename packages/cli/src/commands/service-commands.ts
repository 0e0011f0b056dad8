import {
  type LoadConfigOptions,
  monitorSettings,
  schedulerSettings,
  type Settings,
  workerSettings,
} from '@blockmill/core'
import type { Command } from 'commander'

import type { SetStatus } from '../run-cli.ts'
import { addSettingOptions, settingValues } from '../setting-options.ts'

/** A service that can be run, and what is said about it. */
interface RunnableService {
  readonly name: string
  readonly description: string
  readonly settings: Settings
  /** Loads the service's package only when it is asked for. */
  readonly run: (sources: LoadConfigOptions) => Promise<number>
}

const SERVICES: readonly RunnableService[] = [
  {
    name: 'scheduler',
    description: 'watch the chain and publish a task for every block',
    settings: schedulerSettings,
    run: async (sources) => (await import('@blockmill/scheduler')).runScheduler(sources),
  },
  {
    name: 'worker',
    description: 'execute tasks',
    settings: workerSettings,
    run: async (sources) => (await import('@blockmill/worker')).runWorker(sources),
  },
  {
    name: 'monitor',
    description: 'record tasks in PostgreSQL; serve the status page and the REST API',
    settings: monitorSettings,
    run: async (sources) => (await import('@blockmill/monitor')).runMonitor(sources),
  },
]

/** Adds `blockmill scheduler`, `worker` and `monitor`. */
export function addServiceCommands(program: Command, setStatus: SetStatus): void {
  for (const { name, description, settings, run } of SERVICES) {
    const command = program.command(name).description(description)
    addSettingOptions(command, settings).action(async () => {
      setStatus(await run({ commandLine: settingValues(command, settings) }))
    })
  }
}
