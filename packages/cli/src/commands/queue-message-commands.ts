import {
  assertQueueName,
  type Broker,
  type ConfigOf,
  defineSettings,
  type Lane,
  LANES,
  loadConfig,
  NonRetryableError,
  schedulerSettings,
} from '@blockmill/core'
import { type Command, Option } from 'commander'

import { audited, auditedWhereSet } from '../audited.ts'
import { withBroker } from '../control/with-control.ts'
import { addSettingOptions, settingValues } from '../setting-options.ts'
import { withDatabase } from '../with-database.ts'

const { databaseUrl, brokerUrl, namespace, monitorQueue, configFile } = schedulerSettings
const settings = defineSettings({ brokerUrl, namespace, monitorQueue, configFile })
const cancelSettings = defineSettings({ ...settings, databaseUrl })

interface PurgeFlags {
  readonly lane?: Lane
  readonly cancel?: boolean
  readonly json?: boolean
}

/** Adds `blockmill queues purge` and `move` to `queues`. */
export function addQueueMessageCommands(queues: Command): void {
  addPurge(queues)
  addMove(queues)
}

function addPurge(queues: Command): void {
  const command = queues
    .command('purge')
    .description('drop the messages that wait in a queue; without --cancel, their tasks are published again later')
    .argument('<queue>', 'which')
    .addOption(laneOption())
    .option('--cancel', 'also call off the tasks that are on record as waiting in it; needs the database')
    .option('--json', 'as JSON')
  addSettingOptions(command, cancelSettings).action(async (queue: string, { lane, cancel, json }: PurgeFlags) => {
    const sources = { commandLine: settingValues(command, cancelSettings) }
    if (cancel !== true) {
      const { config } = await loadConfig(settings, sources)
      const purged = await auditedWhereSet(command, () => withBroker(config, (broker) => purge(broker, queue, lane)))
      const text = `Dropped ${purged} messages of ${queue}. Their tasks are on record, and published again later.`
      process.stdout.write(`${json === true ? JSON.stringify({ purged }) : text}\n`)
      return
    }
    const { config } = await loadConfig(cancelSettings, sources)
    const { purged, cancelled } = await purgeAndCancel(command, config, { queue, lane })
    const text = `Dropped ${purged} messages of ${queue}, and called off ${cancelled} tasks.`
    process.stdout.write(`${json === true ? JSON.stringify({ purged, cancelled }) : text}\n`)
  })
}

function addMove(queues: Command): void {
  const command = queues
    .command('move')
    .description('move the messages that wait in a queue to another, where their tasks stay from then on')
    .argument('<queue>', 'from where')
    .argument('<to>', 'to which queue; the broker must have it')
    .addOption(laneOption())
    .option('--json', 'as JSON')
  addSettingOptions(command, settings).action(
    async (queue: string, to: string, { lane, json }: Pick<PurgeFlags, 'lane' | 'json'>) => {
      if (queue === to) throw new NonRetryableError('CONTROL_INVALID', `"${to}" must be another queue than "${queue}".`)
      const { config } = await loadConfig(settings, { commandLine: settingValues(command, settings) })
      const moved = await auditedWhereSet(command, () =>
        withBroker(config, async (broker) => {
          await assertQueue(broker, queue)
          await assertQueue(broker, to)
          const { moveMessages } = await import('@blockmill/monitor')
          const ports = { broker, now: () => new Date() }
          return countSteps(moveMessages(ports, { queue, lanes: lane === undefined ? LANES : [lane], to }))
        }),
      )
      const text = `Moved ${moved} messages from ${queue} to ${to}.`
      process.stdout.write(`${json === true ? JSON.stringify({ moved }) : text}\n`)
    },
  )
}

function laneOption(): Option {
  return new Option('--lane <lane>', 'only this lane of it').choices(LANES)
}

async function purge(broker: Broker, queue: string, lane: Lane | undefined): Promise<number> {
  await assertQueue(broker, queue)
  const lanes = lane === undefined ? LANES : [lane]
  const purged = await Promise.all(lanes.map((each) => broker.purge(broker.topology.workQueue(queue, each))))
  return purged.reduce<number>((sum, messages = 0) => sum + messages, 0)
}

/** The database first: what cannot be called off is not dropped either. */
function purgeAndCancel(
  command: Command,
  config: ConfigOf<typeof cancelSettings>,
  { queue, lane }: { readonly queue: string; readonly lane: Lane | undefined },
) {
  return withDatabase(config.databaseUrl, 'queues', (database) => {
    const work = async (broker: Broker) => {
      const { cancelWaiting } = await import('@blockmill/monitor')
      const requestedAt = new Date()
      const purged = await purge(broker, queue, lane)
      const ports = { database, broker, now: () => new Date(), by: 'blockmill queues purge' }
      return { purged, cancelled: await countSteps(cancelWaiting(ports, { queue, lane, requestedAt })) }
    }
    return audited(database, command, () => withBroker(config, work))
  })
}

async function assertQueue(broker: Broker, queue: string): Promise<void> {
  assertQueueName(queue, 'queue')
  if ((await broker.depth(broker.topology.workQueue(queue, 'normal'))) !== undefined) return
  throw new NonRetryableError(
    'CONTROL_INVALID',
    `The broker has no queue "${queue}". Check the name, or start a worker for it first.`,
  )
}

async function countSteps(steps: AsyncIterable<readonly { readonly type: string }[]>): Promise<number> {
  let count = 0
  for await (const outcomes of steps) count += outcomes.filter(({ type }) => type === 'done').length
  return count
}
