import { CHAIN_KINDS } from '../chain/chain-access.ts'
import { NETWORKS, resolveEndpoints } from '../chain/networks.ts'
import { redactUrls } from '../chain/redact-url.ts'
import { LOG_LEVELS } from '../observability/logger.ts'
import { isQueueName } from '../task/queue-name.ts'
import { setting } from './setting.ts'

/** What every service has: its log, and the address of its health checks and metrics. `PORT` differs and is with the service. */
export const processSettings = {
  logLevel: setting.choice(LOG_LEVELS, {
    key: 'LOG_LEVEL',
    flag: 'log-level',
    description: 'lowest level of log lines that are written',
    default: 'info',
  }),
  host: setting.text({
    key: 'HOST',
    flag: 'host',
    description: 'address that health checks and metrics are served on; 0.0.0.0 for all interfaces',
    default: '127.0.0.1',
  }),
  configFile: setting.text({
    key: 'BLOCKMILL_CONFIG',
    flag: 'config',
    description: 'configuration file; otherwise blockmill.config.ts where the command runs, if there is one',
  }),
}

const ENDPOINTS_RULE = `ws:// or wss:// URLs, http:// or https:// ones of EVM chains, or names (${Object.keys(NETWORKS).join(', ')}), separated by commas`
const NAME_RULE = "1 to 64 of a-z, 0-9, '_' and '-', starting with a letter or digit"

/** The broker, and the names of what an installation has on it. The same in all of its processes. */
export const brokerSettings = {
  brokerUrl: setting.url({
    key: 'RABBITMQ_URL',
    flag: 'rabbitmq-url',
    description: 'the RabbitMQ broker, with user, password and virtual host',
    protocols: ['amqp:', 'amqps:'],
    example: 'amqp://user:password@127.0.0.1:5672/vhost',
    default: 'amqp://127.0.0.1:5672',
  }),
  namespace: setting.custom(
    {
      key: 'BLOCKMILL_NAMESPACE',
      flag: 'namespace',
      description: 'first part of all names on the broker, so that several installations can share a virtual host',
      default: 'blockmill',
    },
    { rule: NAME_RULE, parse: (text) => (isQueueName(text) ? text : undefined) },
  ),
  monitorQueue: setting.text({
    key: 'BLOCKMILL_MONITOR_QUEUE',
    description: "name of the monitor's queue, when not <namespace>.monitor",
  }),
  smallestDelayMs: setting.duration({
    key: 'BLOCKMILL_SMALLEST_DELAY',
    description: 'first step of the delay queues; the precision of delays',
    default: '1s',
    min: '50ms',
    max: '1m',
    plainNumber: 'seconds',
  }),
}

/** Where scheduled and finished tasks are recorded. */
export const databaseSettings = {
  databaseUrl: setting.url({
    key: 'DATABASE_URL',
    flag: 'database-url',
    description: 'the PostgreSQL database, with user and password',
    protocols: ['postgres:', 'postgresql:'],
    example: 'postgresql://user:password@127.0.0.1:5432/blockmill',
    required: true,
  }),
}

/** The chain whose blocks are worked on. */
export const chainSettings = {
  chainKind: setting.choice(CHAIN_KINDS, {
    key: 'BLOCKMILL_CHAIN_KIND',
    flag: 'chain-kind',
    description: 'kind of the chain: which nodes it has, and which tasks are for it',
    default: 'substrate',
  }),
  chainEndpoints: setting.custom(
    {
      key: 'CHAIN_URL',
      flag: 'chain-url',
      description: 'endpoints of chain nodes, tried in this order: URLs or names of networks',
      required: true,
    },
    { rule: ENDPOINTS_RULE, parse: resolveEndpoints, mask: redactUrls },
  ),
  archiveEndpoints: setting.custom(
    {
      key: 'CHAIN_ARCHIVE_URL',
      flag: 'chain-archive-url',
      description: 'archive nodes of the same chain, asked only for state that the others no longer keep',
    },
    { rule: ENDPOINTS_RULE, parse: resolveEndpoints, mask: redactUrls },
  ),
  chain: setting.custom(
    {
      key: 'BLOCKMILL_CHAIN',
      flag: 'chain',
      description: 'name of the chain in tasks and records; bound to the genesis hash when it is first used',
      default: 'default',
    },
    { rule: NAME_RULE, parse: (text) => (isQueueName(text) ? text : undefined) },
  ),
}

/** Which tasks there are, and the retry policy of those that set none. The same for scheduler and workers. */
export const taskSettings = {
  taskPackages: setting.list({
    key: 'BLOCKMILL_TASKS',
    flag: 'tasks',
    description: 'packages or paths that tasks are loaded from',
    rule: 'names of packages or paths, separated by commas',
    default: '@blockmill/example',
  }),
  maxAttempts: setting.integer({
    key: 'BLOCKMILL_MAX_ATTEMPTS',
    description: 'executions of a task in total, where it does not say itself',
    default: 3,
    min: 1,
    max: 10,
  }),
  retryBackoffMs: setting.duration({
    key: 'BLOCKMILL_RETRY_BACKOFF',
    description: 'base of the exponential back-off, where a task does not say itself',
    default: '1m',
    min: '1m',
    max: '60m',
    plainNumber: 'minutes',
  }),
  maxRetryDelayMs: setting.duration({
    key: 'BLOCKMILL_MAX_RETRY_DELAY',
    description: 'longest delay between attempts, where a task does not say itself',
    default: '1440m',
    min: '1m',
    max: '10080m',
    plainNumber: 'minutes',
  }),
}
