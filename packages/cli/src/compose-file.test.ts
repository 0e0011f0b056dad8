import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import {
  devChainSettings,
  discoverTasks,
  monitorSettings,
  schedulerSettings,
  type Settings,
  workerSettings,
} from '@blockmill/core'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'

import { permissionSettings } from './permissions/permission-settings.ts'

interface Compose {
  readonly services: Readonly<Record<string, ComposeService>>
}

interface ComposeService {
  readonly image: string
  readonly environment?: Readonly<Record<string, string | number | null>>
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly mem_limit?: string
  readonly restart?: string
  readonly healthcheck?: unknown
}

const read = (file: string): string => readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8')
const composeText = read('docker-compose.yml')
const { services } = parse(composeText, { merge: true }) as Compose

const SETTINGS: Readonly<Record<string, Settings>> = {
  scheduler: schedulerSettings,
  worker: workerSettings,
  'worker-backfill': workerSettings,
  monitor: monitorSettings,
  devchain: devChainSettings,
}
/** Set in the image, or of no use in a container: there is no file, and a name would be that of each of several workers. */
const NOT_HANDED_ON = ['HOST', 'PORT', 'BLOCKMILL_CONFIG', 'BLOCKMILL_WORKER_NAME']

const ofServices = new Map(
  Object.values(SETTINGS).flatMap((settings) => Object.values(settings).map((one) => [one.key, one] as const)),
)
const ofPermissions = Object.values(permissionSettings).map(({ key }) => key)
const ofCompose = [...composeText.matchAll(/\$\{([A-Z_]+)/g)].map(([, key = '']) => key)

describe('.env.example', () => {
  const lines = [...read('.env.example').matchAll(/^(?:# )?([A-Z_]+)=(.*)$/gm)]
  const given = lines.map(([, key = '', value = '']) => [key, value] as const)

  test('has every key of the services, of setup-permissions and of docker-compose.yml once, and no other', () => {
    const known = new Set([...ofServices.keys(), ...ofPermissions, ...ofCompose])
    expect(given.map(([key]) => key).sort()).toEqual([...known].sort())
  })

  test('sets nothing as it is, so that a copy of it changes nothing', () => {
    expect(read('.env.example')).not.toMatch(/^[^#\n]/m)
  })

  test.each(given.filter(([key]) => ofServices.has(key) && key !== 'PORT'))('says the default of %s', (key, value) => {
    expect(value).toBe(ofServices.get(key)?.defaultText ?? '')
  })
})

describe('docker-compose.yml', () => {
  test.each(Object.entries(SETTINGS))(
    'hands %s the settings of its own, all of them and no other',
    (name, settings) => {
      const wanted = Object.values(settings).map(({ key }) => key)
      expect(Object.keys(services[name]?.environment ?? {}).sort()).toEqual(
        wanted.filter((key) => !NOT_HANDED_ON.includes(key)).sort(),
      )
    },
  )

  test('publishes the monitor alone, on the loopback address', () => {
    const published = Object.entries(services).flatMap(([name, { ports = [] }]) => ports.map((port) => [name, port]))
    expect(published.filter(([, port]) => !port?.startsWith('127.0.0.1:'))).toEqual([])
    const withoutProfile = published.filter(([name = '']) => !('profiles' in (services[name] ?? {})))
    expect(withoutProfile.map(([name]) => name)).toEqual(['monitor'])
  })

  test('keeps on a volume whatever a service is told to write, and lets Prometheus at nothing but tokens', () => {
    const volumesOf = (name: string): readonly string[] => services[name]?.volumes ?? []
    const written = Object.entries(services).flatMap(([name, { environment = {} }]) =>
      Object.values(environment).flatMap((value) =>
        String(value).startsWith('/') ? [{ name, file: String(value) }] : [],
      ),
    )
    expect(written).toContainEqual({ name: 'monitor', file: '/var/lib/blockmill/results' })
    for (const { name, file } of written) {
      const mounts = volumesOf(name).map((volume) => volume.split(':')[1] ?? '')
      expect(
        mounts.filter((mount) => `${file}/`.startsWith(`${mount}/`)),
        file,
      ).not.toEqual([])
    }
    const shared = volumesOf('prometheus').flatMap((volume) => {
      const [source = ''] = volume.split(':')
      return volumesOf('monitor').some((one) => one.startsWith(`${source}:`)) ? [volume] : []
    })
    expect(shared).toEqual(['monitor-tokens:/run/blockmill:ro'])
  })

  test.each(Object.entries(services))('limits the memory of %s, watches it and restarts it', (name, service) => {
    expect(service.mem_limit).toMatch(/^\d+[mg]$/)
    expect(service.restart).toBe(name === 'migrate' ? 'on-failure' : 'unless-stopped')
    if (service.image.includes('blockmill')) return
    // Those of our own image have its health check.
    expect(service.healthcheck).toBeDefined()
  })

  test('serves the queues of all tasks of the example', async () => {
    const tasks = fileURLToPath(new URL('../../../apps/example/src/tasks', import.meta.url))
    const wanted = new Set((await discoverTasks([tasks])).list().map(({ definition }) => definition.queue))
    expect([...wanted].sort()).toEqual(['default', 'high-priority'])
    for (const name of ['worker', 'worker-backfill']) {
      expect(services[name]?.environment?.['BLOCKMILL_QUEUES']).toBe('${BLOCKMILL_QUEUES:-default,high-priority}')
    }
  })

  test('serves every lane with some workers', () => {
    const lanes = ['worker', 'worker-backfill'].map((name) => services[name]?.environment?.['BLOCKMILL_LANES'])
    expect(lanes).toEqual(['${BLOCKMILL_LANES:-high,normal}', 'low'])
  })
})
