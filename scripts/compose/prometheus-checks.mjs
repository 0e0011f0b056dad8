import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'

import { docker } from './project.mjs'
import { waitFor } from './record.mjs'

const DASHBOARDS = path.join(import.meta.dirname, '../../deploy/grafana/dashboards')

/** What Grafana puts in place of a dashboard's variables. */
const VARIABLES = { $__rate_interval: '1m', $chain: '.*', $task: '.*', $queue: '.*' }

/**
 * What is tried of Prometheus on a fresh installation: its own container, as `--profile observability` starts it.
 *
 * @param {{ project: import('./project.mjs').Project, record: ReturnType<typeof import('./record.mjs').createRecord> }} system
 * @returns {import('./checks.mjs').Check[]}
 */
export function prometheusChecks({ project, record }) {
  /** Answers of its HTTP API, which is asked from inside: it is published under a port that may be taken. */
  async function ask(question) {
    const url = `http://127.0.0.1:9090/api/v1/${question}`
    const { status, data } = JSON.parse(await project.exec('prometheus', 'wget', '-q', '-O', '-', url))
    if (status !== 'success') throw new Error(`${question}: ${status}`)
    return data
  }

  return [
    {
      title: 'comes up with Prometheus, which reads the metrics of every container',
      async run() {
        await project.up('--scale', 'worker=2')
        await project.up('--no-recreate', 'prometheus')
        await record.advance(10)
        const expected = await containersByJob(project)
        let found = ''
        await waitFor(`Prometheus to read ${expected}`, async () => {
          const { activeTargets } = await ask('targets?state=active')
          found = countJobs(activeTargets.filter(({ health }) => health === 'up').map(({ labels }) => labels.job))
          if (found !== expected) throw new Error(found)
          return true
        })
        return found
      },
    },
    {
      title: 'has rules that Prometheus evaluates',
      async run() {
        let rules = []
        await waitFor('every rule to be evaluated', async () => {
          const { groups } = await ask('rules')
          rules = groups.flatMap((group) => group.rules)
          const bad = rules.filter(({ health }) => health !== 'ok')
          if (bad.length > 0)
            throw new Error(bad.map(({ name, health, lastError }) => `${name} ${health} ${lastError ?? ''}`).join('; '))
          return rules.length > 0
        })
        const firing = rules.filter(({ state }) => state === 'firing').map(({ name }) => name)
        if (firing.length > 0) throw new Error(`alerts fire though nothing is wrong: ${firing.join(', ')}`)
        return `${rules.length} rules, no alert fires`
      },
    },
    {
      title: 'has dashboards whose every query Prometheus answers',
      async run() {
        const queries = await dashboardQueries()
        let answered = 0
        for (const query of queries) {
          const { result } = await ask(`query?query=${encodeURIComponent(query)}`)
          if (result.length > 0) answered += 1
        }
        if (answered === 0) throw new Error('no query finds anything')
        return `${queries.length} queries, ${answered} of which find something now`
      },
    },
  ]
}

/** True when the image that docker-compose.yml names for a service is here, or can be had. */
export async function hasImage(project, service) {
  const { services } = JSON.parse(await project.compose('--profile', 'observability', 'config', '--format', 'json'))
  const { image } = services[service]
  try {
    await docker(['image', 'inspect', '--format', '{{.Id}}', image])
    return true
  } catch {
    // Not here yet.
    return docker(['pull', '--quiet', image]).then(
      () => true,
      () => false,
    )
  }
}

/** Jobs of prometheus.yml, with as many targets as there are containers: `monitor 1, worker 5`. */
async function containersByJob(project) {
  const services = {
    scheduler: ['scheduler'],
    worker: ['worker', 'worker-backfill'],
    monitor: ['monitor'],
    rabbitmq: ['rabbitmq'],
  }
  const jobs = ['prometheus']
  for (const [job, names] of Object.entries(services)) {
    for (const name of names) jobs.push(...(await project.containersOf(name)).map(() => job))
  }
  return countJobs(jobs)
}

function countJobs(jobs) {
  const names = [...new Set(jobs)].toSorted((a, b) => a.localeCompare(b))
  return names.map((name) => `${name} ${jobs.filter((one) => one === name).length}`).join(', ')
}

async function dashboardQueries() {
  const files = (await readdir(DASHBOARDS)).filter((file) => file.endsWith('.json'))
  const dashboards = await Promise.all(
    files.map(async (file) => JSON.parse(await readFile(path.join(DASHBOARDS, file), 'utf8'))),
  )
  const expressions = dashboards
    .flatMap(({ panels }) => panels)
    .flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
  return [...new Set(expressions)].map((expression) =>
    Object.entries(VARIABLES).reduce((text, [name, value]) => text.replaceAll(name, value), expression),
  )
}
