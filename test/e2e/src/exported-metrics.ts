import { readFileSync } from 'node:fs'

import { expect } from 'vitest'

import type { ServiceProcess } from './service-process.ts'

/** What a service exports at `/metrics`. */
export interface ExportedMetrics {
  /** The value of all series together whose line holds all of these texts, such as `status="failed"`. */
  sum(name: string, ...labels: readonly string[]): number
}

const PAGE = readFileSync(new URL('../../../docs/metrics.md', import.meta.url), 'utf8')

/** Sections of docs/metrics.md that say what a service exports. */
const SECTIONS = {
  scheduler: ['All services', 'Scheduler and worker', 'Scheduler'],
  worker: ['All services', 'Scheduler and worker', 'Worker'],
  monitor: ['All services', 'Monitor'],
} as const

/** Reads the metrics of a running service, which must be those that the documentation promises. */
export async function readDocumentedMetrics(
  service: keyof typeof SECTIONS,
  { url }: Pick<ServiceProcess, 'url'>,
): Promise<ExportedMetrics> {
  const answer = await fetch(new URL('/metrics', url))
  expect(answer.headers.get('content-type')).toContain('text/plain')
  const text = await answer.text()
  const exported = [...text.matchAll(/^# TYPE (blockmill_\w+) (\w+)$/gm)].map(([, name, type]) => `${name} ${type}`)
  expect(exported.toSorted(), `what the ${service} exports`).toEqual(documented(SECTIONS[service]).toSorted())
  const samples = text.split('\n').filter((line) => line.startsWith('blockmill_'))
  for (const line of samples) expect(line).toContain(`service="${service}"`)
  return {
    sum: (name, ...labels) =>
      samples
        .filter((line) => line.startsWith(`${name}{`) && labels.every((label) => line.includes(label)))
        .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' '))), 0),
  }
}

function documented(titles: readonly string[]): string[] {
  return titles.flatMap((title) => {
    const [, section = ''] = PAGE.split(`\n## ${title}\n`)
    const rows = section.split('\n## ')[0]?.matchAll(/^\| `(blockmill_\w+)` +\| (\w+) /gm) ?? []
    return [...rows].map(([, name, type]) => `${name} ${type}`)
  })
}
