import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createSecureContext, TLSSocket } from 'node:tls'

import {
  assertTopology,
  createBroker,
  createSilentLogger,
  createTopology,
  openDatabase,
  waitForDatabase,
} from '@blockmill/core'
import { type NativeBroker, type NativePostgres, startNativeBroker, startNativePostgres } from '@blockmill/testkit'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

import { type Certificate, createAuthority, issueCertificate } from './certificates.ts'

const logger = createSilentLogger()
const folder = mkdtempSync(path.join(tmpdir(), 'tls-'))
const file = (name: string): string => path.join(folder, name)
const topology = createTopology()

let authority: Certificate
let stranger: Certificate
let rabbitmq: NativeBroker
let postgres: NativePostgres

function write(name: string, { cert, key }: Certificate): void {
  writeFileSync(file(`${name}.pem`), cert)
  writeFileSync(file(`${name}.key`), key)
}

beforeAll(async () => {
  ;[authority, stranger] = await Promise.all([createAuthority(), createAuthority()])
  const [server, client] = await Promise.all([issueCertificate(authority), issueCertificate(authority)])
  write('ca', authority)
  write('stranger-ca', stranger)
  write('client', client)
  write('stranger', await issueCertificate(stranger))
  writeFileSync(file('empty.pem'), '')
  const tls = { ca: authority.cert, ...server }
  ;[rabbitmq, postgres] = await Promise.all([startNativeBroker({ tls }), startNativePostgres({ tls, durable: false })])
})

afterAll(async () => {
  await Promise.all([rabbitmq.stop(), postgres.stop()])
  rmSync(folder, { recursive: true })
})

/** Speaks TLS with a certificate that somebody must refuse; `isPostgres` after the request that PostgreSQL expects. */
async function badServer(certificate: Certificate, isPostgres = false): Promise<number> {
  const secureContext = createSecureContext(certificate)
  const secure = (socket: Socket): void => {
    new TLSSocket(socket, { isServer: true, secureContext }).on('error', () => {})
  }
  return listen(
    createServer((socket) => {
      socket.on('error', () => {})
      if (!isPostgres) return secure(socket)
      socket.once('data', () => {
        socket.write('S')
        secure(socket)
      })
    }),
  )
}

async function listen(server: Server): Promise<number> {
  onTestFinished(() => new Promise((resolve) => server.close(() => resolve())))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

const withParameters = (url: string, parameters: Record<string, string>): string =>
  `${url}?${new URLSearchParams(parameters).toString()}`

describe('to RabbitMQ', () => {
  const ours = (): Record<string, string> => ({
    cacertfile: file('ca.pem'),
    certfile: file('client.pem'),
    keyfile: file('client.key'),
  })

  async function start(url: string): Promise<void> {
    const broker = createBroker({ url, topology, logger, connectionName: 'test' })
    onTestFinished(() => broker.stop())
    await broker.start()
    await broker.publisher.publish({
      exchange: topology.exchanges.tasks,
      routingKey: 'task.none.low',
      body: Buffer.from('{}'),
      type: 'test',
    })
  }

  it('publishes over TLS, each side with a certificate that the other trusts', async () => {
    const url = withParameters(rabbitmq.tlsUrl ?? '', ours())
    await start(url)
    await assertTopology(url, topology)
  })

  it('takes another name for the certificate than that of the host', async () => {
    const address = (rabbitmq.tlsUrl ?? '').replace('localhost', '127.0.0.1')
    await expect(start(withParameters(address, ours()))).rejects.toThrow('for another name')
    await start(withParameters(address, { ...ours(), server_name_indication: 'localhost' }))
  })

  it.each<[string, () => Record<string, string>, RegExp]>([
    ['an authority that is unknown here', () => ({}), /not signed by an authority.*as cacertfile/],
    ['an authority that is another', () => ({ cacertfile: file('stranger-ca.pem') }), /not signed by an authority/],
    ['a file that is not there', () => ({ cacertfile: file('none.pem') }), /none\.pem cannot be read \(ENOENT\)/],
    ['a file without a certificate', () => ({ ...ours(), certfile: file('empty.pem') }), /unusable.*must be PEM/],
    ['a key of another certificate', () => ({ ...ours(), keyfile: file('stranger.key') }), /unusable.*must be PEM/],
  ])('says at once which certificate is the problem: %s', async (_, parameters, says) => {
    const starting = start(withParameters(rabbitmq.tlsUrl ?? '', parameters()))
    await expect(starting).rejects.toMatchObject({ code: 'TLS_REFUSED', message: expect.stringMatching(says) })
  })

  it.each<[string, { names?: string[]; expired?: boolean }, RegExp]>([
    ['has expired', { expired: true }, /has expired\. Renew it/],
    ['is for another name', { names: ['elsewhere.example'] }, /for another name.*elsewhere\.example/],
  ])('refuses a broker whose certificate %s', async (_, options, says) => {
    const port = await badServer(await issueCertificate(authority, options))
    const url = withParameters(`amqps://guest:guest@localhost:${port}`, ours())
    await expect(start(url)).rejects.toMatchObject({ code: 'TLS_REFUSED', message: expect.stringMatching(says) })
    await expect(assertTopology(url, topology)).rejects.toMatchObject({ code: 'TLS_REFUSED' })
  })

  it('says so when the port speaks no TLS', async () => {
    const url = withParameters(rabbitmq.url.replace('amqp:', 'amqps:').replace('127.0.0.1', 'localhost'), ours())
    await expect(start(url)).rejects.toMatchObject({ code: 'TLS_REFUSED', message: expect.stringContaining('port') })
  })

  it.each<[string, () => Record<string, string>]>([
    ['none', () => ({ cacertfile: file('ca.pem') })],
    ['one of a stranger', () => ({ ...ours(), certfile: file('stranger.pem'), keyfile: file('stranger.key') })],
  ])('tells that the broker wants another certificate of the client when it shows %s', async (_, parameters) => {
    const url = withParameters(rabbitmq.tlsUrl ?? '', parameters())
    const message = expect.stringMatching(/refuses the certificate of this client.*as certfile and keyfile/)
    await expect(assertTopology(url, topology)).rejects.toMatchObject({ code: 'TLS_REFUSED', message })
    await expect(start(url)).rejects.toMatchObject({ code: 'TLS_REFUSED', message })
  })
})

describe('to PostgreSQL', () => {
  const open = (url: string, parameters: Record<string, string>) => {
    const database = openDatabase({ url: withParameters(url, parameters), logger })
    onTestFinished(() => database.close())
    return database
  }
  const address = (): string => postgres.url.replace('127.0.0.1', 'localhost')
  const full = (): Record<string, string> => ({ sslmode: 'verify-full', sslrootcert: file('ca.pem') })

  it('asks over TLS, with a certificate of its own where that is wanted', async () => {
    const client = { sslcert: file('client.pem'), sslkey: file('client.key') }
    for (const parameters of [full(), { ...full(), ...client }]) {
      const [row] = await open(address(), parameters).query<{ ssl: boolean; client: string | null }>(
        'select ssl, client_dn as client from pg_stat_ssl where pid = pg_backend_pid()',
      )
      expect(row).toEqual({ ssl: true, client: 'sslcert' in parameters ? '/CN=localhost' : null })
    }
  })

  it.each<[string, () => Record<string, string>, RegExp]>([
    ['an authority that is unknown here', () => ({ sslmode: 'verify-full' }), /not signed by.*as sslrootcert/],
    ['an authority that is another', () => ({ ...full(), sslrootcert: file('stranger-ca.pem') }), /not signed by/],
    ['a file that is not there', () => ({ ...full(), sslrootcert: file('none.pem') }), /none\.pem cannot be read/],
    [
      'a certificate of the client that is not trusted',
      () => ({ ...full(), sslcert: file('stranger.pem'), sslkey: file('stranger.key') }),
      /refuses the certificate of this client.*sslcert and sslkey/,
    ],
  ])('says at once which certificate is the problem: %s', async (_, parameters, says) => {
    const waiting = waitForDatabase(open(address(), parameters()), { logger })
    await expect(waiting).rejects.toMatchObject({ code: 'TLS_REFUSED', message: expect.stringMatching(says) })
  })

  it.each<[string, { names?: string[]; expired?: boolean }, RegExp]>([
    ['has expired', { expired: true }, /has expired\. Renew it/],
    ['is for another name', { names: ['elsewhere.example'] }, /for another name.*elsewhere\.example/],
  ])('refuses a server whose certificate %s', async (_, options, says) => {
    const port = await badServer(await issueCertificate(authority, options), true)
    const waiting = waitForDatabase(open(`postgresql://me@localhost:${port}/none`, full()), { logger })
    await expect(waiting).rejects.toMatchObject({ code: 'TLS_REFUSED', message: expect.stringMatching(says) })
  })

  it('says so when the server does no TLS', async () => {
    const port = await listen(
      createServer((socket) => socket.on('error', () => {}).once('data', () => socket.end('N'))),
    )
    const waiting = waitForDatabase(open(`postgresql://me@localhost:${port}/none`, full()), { logger })
    await expect(waiting).rejects.toMatchObject({
      code: 'TLS_REFUSED',
      message: expect.stringContaining('not speak TLS'),
    })
  })
})
