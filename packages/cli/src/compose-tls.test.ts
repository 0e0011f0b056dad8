import { readFileSync } from 'node:fs'

import { parseBrokerUrl } from '@blockmill/core'
import { expect, it } from 'vitest'
import { parse } from 'yaml'

interface Service {
  readonly environment?: Readonly<Record<string, string | null>>
  readonly volumes?: readonly string[]
}

const read = (file: string): string => readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8')
const servicesOf = (file: string) =>
  Object.entries((parse(read(file), { merge: true }) as { services: Record<string, Service> }).services)
const plain = servicesOf('docker-compose.yml')
const overridden = new Map(servicesOf('docker-compose.tls.yml'))
/** As compose does without any settings. */
const withDefaults = (text: string): string => text.replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1')
const users = (key: string) => plain.filter(([, { environment }]) => environment?.[key] !== undefined)

it('every service that connects to the broker does so over TLS in docker-compose.tls.yml', () => {
  expect(users('RABBITMQ_URL').length).toBeGreaterThan(3)
  for (const [name] of users('RABBITMQ_URL')) {
    const url = withDefaults(overridden.get(name)?.environment?.['RABBITMQ_URL'] ?? '')
    expect(parseBrokerUrl(url), name).toMatchObject({ virtualHost: '/', tls: { caFile: '/certs/ca.pem' } })
    expect(overridden.get(name)?.volumes, name).toContain('./deploy/tls/certs/ca.pem:/certs/ca.pem:ro')
  }
})

it('every service that connects to the database does so over TLS in docker-compose.tls.yml', () => {
  expect(users('DATABASE_URL').length).toBeGreaterThan(2)
  for (const [name] of users('DATABASE_URL')) {
    const url = new URL(withDefaults(overridden.get(name)?.environment?.['DATABASE_URL'] ?? ''))
    expect(Object.fromEntries(url.searchParams), name).toEqual({
      sslmode: 'verify-full',
      sslrootcert: '/certs/ca.pem',
    })
    expect(overridden.get(name)?.volumes, name).toContain('./deploy/tls/certs/ca.pem:/certs/ca.pem:ro')
  }
})

it('certificates are made for the names that services connect to', () => {
  const names = /^for name in (.*); do$/m.exec(read('deploy/tls/make-ca.sh'))?.[1]?.split(' ')
  expect(names).toEqual(['rabbitmq', 'postgres'])
  expect(plain.map(([name]) => name)).toEqual(expect.arrayContaining(names ?? []))
})
