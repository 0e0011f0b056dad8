import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Certificates in PEM that a private service speaks TLS with. */
export interface ServerTls {
  /** Of the authority that signs certificates of clients. */
  readonly ca: string
  readonly cert: string
  readonly key: string
}

/** The ports of a private node. `distribution` is where `rabbitmqctl` talks to it; `epmd` tells that port. */
export type RabbitmqPorts = Readonly<Record<'amqp' | 'amqps' | 'distribution' | 'epmd' | 'management', number>>

/** Writes the node's files and returns the environment of all its programs, without what the machine's RabbitMQ may use. */
export function writeRabbitmqConfiguration(
  folder: string,
  host: string,
  ports: RabbitmqPorts,
  { management, tls }: { readonly management: boolean; readonly tls: ServerTls | undefined },
): NodeJS.ProcessEnv {
  const file = (name: string) => join(folder, name)
  for (const [name, pem] of Object.entries(tls ?? {})) writeFileSync(file(`${name}.pem`), pem, { mode: 0o600 })
  writeFileSync(file('.erlang.cookie'), randomBytes(24).toString('hex'), { mode: 0o400 })
  writeFileSync(file('enabled_plugins'), management ? '[rabbitmq_management].' : '[].')
  writeFileSync(
    file('rabbitmq.conf'),
    [
      `listeners.tcp.1 = ${host}:${ports.amqp}`,
      ...(management ? [`management.tcp.ip = ${host}`, `management.tcp.port = ${ports.management}`] : []),
      ...(tls === undefined
        ? []
        : [
            `listeners.ssl.1 = ${host}:${ports.amqps}`,
            `ssl_options.cacertfile = ${file('ca.pem')}`,
            `ssl_options.certfile = ${file('cert.pem')}`,
            `ssl_options.keyfile = ${file('key.pem')}`,
            'ssl_options.verify = verify_peer',
            'ssl_options.fail_if_no_peer_cert = true',
          ]),
      '',
    ].join('\n'),
  )
  const inherited = Object.entries(process.env).filter(([key]) => !/^(RABBITMQ|ERL)_/.test(key))
  const oneInterface = `-kernel inet_dist_use_interface {${host.replaceAll('.', ',')}}`
  // Erlang starts a port mapper where it finds none, such as one whose node is being ended, and that one would stay for ever.
  const erlArgs = `-start_epmd false ${oneInterface}`
  return {
    ...Object.fromEntries(inherited),
    // Erlang reads the cookie from here.
    HOME: folder,
    // A crash dump would be written to the working directory: the user's.
    ERL_CRASH_DUMP_SECONDS: '0',
    ERL_EPMD_PORT: `${ports.epmd}`,
    ERL_EPMD_ADDRESS: host,
    RABBITMQ_NODENAME: 'blockmill@localhost',
    RABBITMQ_DIST_PORT: `${ports.distribution}`,
    RABBITMQ_MNESIA_BASE: file('data'),
    RABBITMQ_LOG_BASE: folder,
    RABBITMQ_LOGS: '-',
    RABBITMQ_CONFIG_FILE: file('rabbitmq.conf'),
    RABBITMQ_ADVANCED_CONFIG_FILE: file('advanced.config'),
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_GENERATED_CONFIG_DIR: folder,
    RABBITMQ_ENABLED_PLUGINS_FILE: file('enabled_plugins'),
    // Makes the start script become the Erlang machine instead of waiting for it, so that its pid is the node's.
    RABBITMQ_ALLOW_INPUT: 'true',
    RABBITMQ_SERVER_START_ARGS: '-noinput +B i',
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: erlArgs,
    RABBITMQ_CTL_ERL_ARGS: erlArgs,
  }
}
