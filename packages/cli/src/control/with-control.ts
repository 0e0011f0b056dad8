import {
  type Broker,
  type ConfigOf,
  type Control,
  createBroker,
  createControl,
  createLogger,
  createTopology,
  defineSettings,
  durationMs,
  type Duration,
  loadConfig,
  type Logger,
  schedulerSettings,
} from '@blockmill/core'
import { type Command, InvalidArgumentError, Option } from 'commander'

import { givingUp } from '../giving-up.ts'
import { addSettingOptions, settingValues } from '../setting-options.ts'

const { brokerUrl, namespace, monitorQueue, configFile } = schedulerSettings
const settings = defineSettings({ brokerUrl, namespace, monitorQueue, configFile })

/** What a command works with that speaks to the workers. */
export interface ControlPorts {
  readonly control: Control
  readonly broker: Broker
}

/** Options of every command that speaks to the workers. */
export interface ControlFlags {
  readonly json?: boolean
  readonly wait: number
}

/** Adds the options that say where the workers are, how long they have for an answer, and `--json`. */
export function addControlOptions(command: Command): Command {
  const wait = new Option('--wait <duration>', 'how long answers are waited for').argParser(toMs).default(1_000, '1s')
  return addSettingOptions(command.option('--json', 'as JSON').addOption(wait), settings)
}

/** Connects to the broker, does the work, and closes everything. */
export async function withControl<Result>(
  command: Command,
  { wait }: ControlFlags,
  work: (ports: ControlPorts) => Promise<Result>,
): Promise<Result> {
  const { config } = await loadConfig(settings, { commandLine: settingValues(command, settings) })
  return withBroker(config, (broker, logger) =>
    work({ control: createControl({ broker, logger, waitMs: wait }), broker }),
  )
}

/** Connects to the broker, does the work, and closes everything. */
export async function withBroker<Result>(
  config: Pick<ConfigOf<typeof settings>, 'brokerUrl' | 'namespace' | 'monitorQueue'>,
  work: (broker: Broker, logger: Logger) => Promise<Result>,
): Promise<Result> {
  // Standard output is for the answer alone.
  const logger = createLogger({ service: 'control', level: 'warn', destination: process.stderr })
  const topology = createTopology({
    namespace: config.namespace,
    ...(config.monitorQueue !== undefined && { monitorQueue: config.monitorQueue }),
  })
  const broker = createBroker({ url: config.brokerUrl, topology, logger, connectionName: 'control' })
  try {
    await broker.start(givingUp('BROKER_UNREACHABLE', 'The broker'))
    return await work(broker, logger)
  } finally {
    // Ends the listening for answers too.
    await broker.stop()
  }
}

function toMs(text: string): number {
  try {
    return durationMs(text as Duration, '--wait')
  } catch {
    throw new InvalidArgumentError('It must be a duration such as 500ms or 2s.')
  }
}
