import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { createTopology, discoverTasks, durationMs, KNOWN_KEYS, LANES, monitorSettings } from '@blockmill/core'
import { describe, expect, it } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'

interface Container {
  readonly args: readonly string[]
  readonly env: readonly { readonly name: string; readonly value?: string }[]
  readonly ports: readonly { readonly containerPort: number }[]
}

interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly data?: Readonly<Record<string, string>>
  readonly spec?: {
    readonly template?: {
      readonly spec: {
        readonly terminationGracePeriodSeconds?: number
        readonly securityContext: { readonly runAsNonRoot: boolean }
        readonly containers: readonly Container[]
      }
    }
    readonly scaleTargetRef?: { readonly name: string }
    readonly triggers?: readonly { readonly metadata: { readonly queueName: string } }[]
  }
}

const folder = new URL('../../../deploy/kubernetes/', import.meta.url)
const files = readdirSync(folder).filter((name) => name.endsWith('.yaml') && name !== 'kustomization.yaml')
const manifests = files.flatMap((name) =>
  parseAllDocuments(readFileSync(new URL(name, folder), 'utf8')).map((document) => {
    expect(document.errors).toEqual([])
    return document.toJS() as Manifest
  }),
)
const deployments = manifests.flatMap(({ kind, metadata, spec }) => {
  const pod = spec?.template?.spec
  const container = pod?.containers[0]
  if (kind !== 'Deployment' || pod === undefined || container === undefined) return []
  return [{ name: metadata.name, pod, container }]
})

describe('the manifests for Kubernetes', () => {
  it('are all listed', () => {
    const list = parse(readFileSync(new URL('kustomization.yaml', folder), 'utf8')) as { readonly resources: string[] }
    expect(list.resources.toSorted()).toEqual(files.toSorted())
  })

  it('set only what is a setting', () => {
    const keys = [
      ...deployments.flatMap(({ container }) => container.env.map(({ name }) => name)),
      ...manifests.flatMap(({ kind, data = {} }) => (kind === 'ConfigMap' ? Object.keys(data) : [])),
    ]
    expect(keys.length).toBeGreaterThan(0)
    expect(keys.filter((key) => !KNOWN_KEYS.includes(key))).toEqual([])
  })

  it('can give monitors one folder for the rows of range jobs, under the name of its setting', () => {
    const component = new URL('results-in-files/', folder)
    const claim = parse(readFileSync(new URL('volume.yaml', component), 'utf8')) as Manifest
    const { patches, resources } = parse(readFileSync(new URL('kustomization.yaml', component), 'utf8')) as {
      readonly resources: readonly string[]
      readonly patches: readonly { readonly target: object; readonly patch: string }[]
    }
    expect(resources).toEqual(['volume.yaml'])
    expect(patches.map(({ target }) => target)).toEqual([{ kind: 'Deployment', name: 'monitor' }])
    const operations = parse(patches[0]?.patch ?? '') as readonly { readonly path: string; readonly value: unknown }[]
    const valueAt = (path: string) => operations.find((one) => one.path.endsWith(path))?.value
    const claimName = claim.metadata.name
    expect(valueAt('/volumes')).toEqual([{ name: 'results', persistentVolumeClaim: { claimName } }])
    const [mount] = valueAt('/volumeMounts') as readonly { readonly name: string; readonly mountPath: string }[]
    expect(mount?.name).toBe('results')
    expect(valueAt('/env/-')).toEqual({ name: monitorSettings.resultsDir.key, value: mount?.mountPath })
  })

  it.each(deployments)('let $name listen where it is asked', ({ container }) => {
    const port = container.env.find(({ name }) => name === 'PORT')?.value
    expect(container.ports.map(({ containerPort }) => String(containerPort))).toEqual([port])
  })

  it('run nothing as root, of an image whose user is a number, as Kubernetes cannot check a name', () => {
    expect(deployments.map(({ pod }) => pod.securityContext.runAsNonRoot)).toEqual(deployments.map(() => true))
    const dockerfile = readFileSync(new URL('../../Dockerfile', folder), 'utf8')
    expect([...dockerfile.matchAll(/^USER (.+)$/gm)].at(-1)?.[1]).toMatch(/^[1-9]\d*:[1-9]\d*$/)
  })

  it('give a worker more time to end than it takes', () => {
    const workers = deployments.filter(({ container }) => container.args[0] === 'worker')
    expect(workers).toHaveLength(2)
    for (const { pod, container } of workers) {
      const grace = container.env.find(({ name }) => name === 'BLOCKMILL_GRACE')?.value
      expect((pod.terminationGracePeriodSeconds ?? 0) * 1_000).toBeGreaterThan(durationMs(grace as '30s', 'grace'))
    }
  })

  it('scale workers by the queues that they serve, which are those of all tasks', async () => {
    const topology = createTopology()
    const example = fileURLToPath(new URL('../../apps/example/src/tasks', folder))
    const wanted = (await discoverTasks([example])).list().map(({ definition }) => definition.queue)
    const scaled = manifests.filter(({ kind }) => kind === 'ScaledObject')
    const lanes = scaled.flatMap(({ spec }) => {
      const worker = deployments.find(({ name }) => name === spec?.scaleTargetRef?.name)
      const listOf = (key: string) => worker?.container.env.find(({ name }) => name === key)?.value?.split(',') ?? []
      const [queues, served] = [listOf('BLOCKMILL_QUEUES'), listOf('BLOCKMILL_LANES')]
      expect(queues).toEqual(expect.arrayContaining(wanted))
      const workQueues = queues.flatMap((queue) =>
        LANES.filter((lane) => served.includes(lane)).map((lane) => topology.workQueue(queue, lane)),
      )
      expect(spec?.triggers?.map(({ metadata }) => metadata.queueName).toSorted()).toEqual(workQueues.toSorted())
      return served
    })
    expect(lanes.toSorted()).toEqual(LANES.toSorted())
  })
})
