import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { createMetrics } from '@blockmill/core'
import { describe, expect, it, test } from 'vitest'
import { parse } from 'yaml'

import { DASHBOARDS } from '../../../deploy/grafana/source/dashboards.ts'
import { documentedMetrics, metricsPageSections } from '../test/documented-metrics.ts'
import { readPromql } from '../test/promql.ts'

interface Rule {
  readonly record?: string
  readonly alert?: string
  readonly expr: string
  readonly for?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}
interface Panel {
  readonly id: number
  readonly title: string
  readonly description: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly datasource: { readonly uid: string }
  readonly targets: readonly { readonly expr: string; readonly legendFormat: string; readonly refId: string }[]
}
interface Dashboard {
  readonly uid: string
  readonly title: string
  readonly panels: readonly Panel[]
  readonly annotations: { readonly list: readonly { readonly expr: string }[] }
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition: string }[] }
}

const deploy = fileURLToPath(new URL('../../../deploy/', import.meta.url))
const read = (file: string): string => readFileSync(path.join(deploy, file), 'utf8')
const rulesOf = (file: string): Rule[] =>
  (parse(read(`prometheus/rules/${file}`)) as { groups: { rules: Rule[] }[] }).groups.flatMap(({ rules }) => rules)

const alerts = rulesOf('alerts.yml')
const recorded = rulesOf('recording.yml')
const files = globSync('grafana/dashboards/*.json', { cwd: deploy }).toSorted()
const dashboards = files.map((file) => ({ file, ...(JSON.parse(read(file)) as Dashboard) }))

/** Every series that there is, with its labels. Those of RabbitMQ are from its plugin rabbitmq_prometheus. */
const known = new Map<string, readonly string[]>([
  ...documentedMetrics().flatMap(({ name, type, labels }): [string, readonly string[]][] =>
    type === 'histogram'
      ? [
          [`${name}_bucket`, [...labels, 'le']],
          [`${name}_sum`, labels],
          [`${name}_count`, labels],
        ]
      : [[name, labels]],
  ),
  ...createMetrics('worker')
    .getMetricsAsArray()
    .map(({ name }): [string, readonly string[]] => [name, []]),
  ...recorded.map(({ record = '', expr }): [string, readonly string[]] => [record, readPromql(expr).labels]),
  ['ALERTS', ['alertname', 'alertstate']],
  ['rabbitmq_process_resident_memory_bytes', []],
  ['rabbitmq_resident_memory_limit_bytes', []],
  ['rabbitmq_disk_space_available_bytes', []],
  ['rabbitmq_disk_space_available_limit_bytes', []],
])
/** What Prometheus adds to what it scrapes, and each of our services to what it exports. */
const EVERYWHERE = ['job', 'instance', 'service']

function expectKnown(query: string): void {
  const { selectors } = readPromql(query)
  expect(selectors, query).not.toEqual([])
  for (const { metric, labels } of selectors) {
    expect([...known.keys()], query).toContain(metric)
    expect([...(known.get(metric) ?? []), ...EVERYWHERE], `${metric} in ${query}`).toEqual(
      expect.arrayContaining([...labels]),
    )
  }
}

describe('readPromql', () => {
  it('finds metrics and the labels that they are asked by', () => {
    expect(readPromql('max by (le) (rate(a_bucket{b="c"}[5m])) / on (x) sum(d{e=~"$e"}) unless f').selectors).toEqual([
      { metric: 'a_bucket', labels: ['le', 'b'] },
      { metric: 'd', labels: ['e'] },
      { metric: 'f', labels: [] },
    ])
  })

  it('refuses what is no PromQL', () => {
    expect(() => readPromql('sum by (a) (rate(b[5m])')).toThrow('is no PromQL')
  })
})

describe('the rules of Prometheus', () => {
  it.each([...recorded, ...alerts].map((rule) => [rule.record ?? rule.alert ?? '', rule.expr]))(
    '%s asks for what is exported',
    (_, expr) => {
      expectKnown(expr)
    },
  )

  it.each(alerts.map((rule) => [rule.alert ?? '', rule]))(
    '%s says how severe it is, what happened and what to do',
    (name, { labels, annotations }) => {
      expect(name).toMatch(/^Blockmill[A-Z]/)
      expect(labels?.['severity']).toMatch(/^(critical|warning)$/)
      expect(annotations?.['summary']).toMatch(/\S/)
      expect(annotations?.['description']).toMatch(/\S\.$/)
    },
  )

  it('are tested: each alert fires in one case and is silent in another', () => {
    const { tests } = parse(read('prometheus/tests/alerts.yml'), { merge: true }) as {
      tests: { alert_rule_test?: { alertname: string; exp_alerts: unknown[] }[] }[]
    }
    const cases = tests.flatMap(({ alert_rule_test: of = [] }) => of)
    const names = alerts.map(({ alert = '' }) => alert).toSorted()
    const withAlerts = (fires: boolean) =>
      [...new Set(cases.filter((one) => one.exp_alerts.length > 0 === fires).map((one) => one.alertname))].toSorted()
    expect(withAlerts(true)).toEqual(names)
    expect(withAlerts(false)).toEqual(names)
  })

  it('are those of docs/metrics.md, with the same times', () => {
    const rows = (metricsPageSections.get('Alerts') ?? '').matchAll(
      /^\| `(Blockmill\w+)` +\| (\w+) +\|.*\| (\S+) +\|$/gm,
    )
    expect([...rows].map(([, name, severity, time]) => [name, severity, time])).toEqual(
      alerts.map((rule) => [rule.alert, rule.labels?.['severity'], rule.for ?? '–']),
    )
  })
})

describe('the dashboards of Grafana', () => {
  it('are built from their sources; node deploy/grafana/build.ts writes them anew', () => {
    expect(files.map((file) => JSON.parse(read(file)) as unknown)).toEqual(
      DASHBOARDS.toSorted((a, b) => (a.uid < b.uid ? -1 : 1)).map((one) => JSON.parse(JSON.stringify(one)) as unknown),
    )
  })

  it('have an identifier of their own, which is the name of their file', () => {
    expect(dashboards.map(({ uid }) => `grafana/dashboards/${uid}.json`)).toEqual(files)
    expect(new Set(dashboards.map(({ title }) => title)).size).toBe(files.length)
  })

  it.each(dashboards.map((one) => [one.title, one] as const))('%s asks for what is exported', (_, one) => {
    const expressions = one.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))
    expect(expressions.length).toBeGreaterThan(5)
    for (const expr of [...expressions, ...one.annotations.list.map((each) => each.expr)]) expectKnown(expr)
    for (const { name, definition } of one.templating.list) {
      const [, metric = '', label] = /^label_values\((\w+), (\w+)\)$/.exec(definition) ?? []
      expect(label).toBe(name)
      expect(known.get(metric), definition).toContain(name)
    }
  })

  it.each(dashboards.map((one) => [one.title, one] as const))('%s uses every variable and no other', (_, one) => {
    const text = JSON.stringify(one.panels)
    const used = [...text.matchAll(/\$(?!__)(\w+)/g)].map(([, name = '']) => name)
    expect([...new Set(used)].toSorted()).toEqual(one.templating.list.map(({ name }) => name).toSorted())
  })

  it.each(dashboards.map((one) => [one.title, one] as const))('%s has panels that can be read', (_, { panels }) => {
    const datasource = parse(read('grafana/provisioning/datasources/prometheus.yml')) as {
      datasources: { uid: string }[]
    }
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    for (const panel of panels) {
      expect(panel.title).toMatch(/\S/)
      expect(panel.description, panel.title).toMatch(/\S\.$/)
      expect(panel.datasource.uid).toBe(datasource.datasources[0]?.uid)
      expect(panel.targets, panel.title).not.toEqual([])
      for (const { legendFormat } of panel.targets) expect(legendFormat, panel.title).toMatch(/\S/)
      expect(new Set(panel.targets.map(({ refId }) => refId)).size).toBe(panel.targets.length)
      expect(panel.gridPos.x + panel.gridPos.w).toBeLessThanOrEqual(24)
      const labels = panel.targets.flatMap(({ legendFormat, expr }) =>
        [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => ({ label, expr })),
      )
      for (const { label, expr } of labels) {
        const { labels: grouped, selectors } = readPromql(expr)
        const own = selectors.flatMap(({ metric }) => known.get(metric) ?? [])
        expect([...grouped, ...(grouped.length === 0 ? [...own, ...EVERYWHERE] : [])], expr).toContain(label)
      }
    }
  })
})

test('Prometheus reads the rules that are tested', () => {
  const config = parse(read('prometheus/prometheus.yml')) as { rule_files: string[] }
  expect(config.rule_files).toEqual(['rules/*.yml'])
})
