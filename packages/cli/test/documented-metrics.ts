import { readFileSync } from 'node:fs'

/** A metric as the page of metrics or the code has it. */
export interface DescribedMetric {
  readonly name: string
  readonly type: string
  readonly labels: readonly string[]
}

/** The text of docs/metrics.md. */
export const metricsPage = readFileSync(new URL('../../../docs/metrics.md', import.meta.url), 'utf8')

/** The sections of docs/metrics.md by title. */
export const metricsPageSections = new Map(
  metricsPage.split(/^## /m).map((text) => [text.slice(0, text.indexOf('\n')), text]),
)

/** The metrics that the given sections of docs/metrics.md have in their tables; default all. */
export function documentedMetrics(...titles: readonly string[]): DescribedMetric[] {
  const chosen = titles.length === 0 ? [...metricsPageSections.keys()] : titles
  return chosen.flatMap((title) => {
    const rows = (metricsPageSections.get(title) ?? '').matchAll(/^\| `(blockmill_\w+)` +\| (\w+) +\| (.*?) *\|/gm)
    return [...rows].map(([, name = '', type = '', labels = '']) => ({
      name,
      type,
      labels: [...labels.matchAll(/\w+/g)].map(([label]) => label).toSorted(),
    }))
  })
}
