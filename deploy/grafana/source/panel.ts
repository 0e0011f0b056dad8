// Makers of Grafana panels, so that the dashboards beside this file say what they show and nothing else.

const DATASOURCE = { type: 'prometheus', uid: 'blockmill-prometheus' }

/** PromQL, and the name of its lines, in which `{{task}}` is the label. */
export type PanelQuery = readonly [expr: string, legend: string]

/** What a panel shows. */
export interface PanelOptions {
  readonly title: string
  /** What it shows, and what to do about it. */
  readonly description: string
  /** As Grafana names units: `short` (default), `none`, `s`, `ops`, `percentunit`, `bytes`. */
  readonly unit?: string
  readonly queries: readonly PanelQuery[]
  /** Upper end of the axis. */
  readonly max?: number
  /** Whether the lines add up. */
  readonly stacked?: boolean
  /** Values from which on a figure is shown in yellow and in red. */
  readonly limits?: readonly [yellow: number, red: number]
  /** Fixed colours of lines, by name. */
  readonly colors?: readonly (readonly [color: string, name: string])[]
  /** What to show in place of a value. */
  readonly words?: Readonly<Record<string, string>>
  readonly decimals?: number
}

/** A panel as Grafana's JSON has it, still without its place. */
export type Panel = Readonly<Record<string, unknown>>

/** Panels beside each other, all of one width; at most six. */
export interface Row {
  /** In Grafana's grid units, of about 30 pixels. */
  readonly height: number
  readonly panels: readonly Panel[]
}

/** Lines over time. */
export function timeSeries(options: PanelOptions): Panel {
  const { stacked = false } = options
  return panel('timeseries', options, {
    custom: {
      lineWidth: 1,
      fillOpacity: stacked ? 40 : 8,
      showPoints: 'never',
      spanNulls: 60_000,
      stacking: { mode: stacked ? 'normal' : 'none', group: 'A' },
    },
    options: {
      legend: { displayMode: 'table', placement: 'bottom', showLegend: true, calcs: ['lastNotNull', 'max'] },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
  })
}

/** The present value, large. */
export function stat(options: PanelOptions): Panel {
  return panel('stat', options, {
    options: {
      colorMode: options.limits === undefined ? 'none' : 'value',
      graphMode: 'area',
      justifyMode: 'auto',
      reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
      textMode: 'auto',
    },
  })
}

/** Present values as bars beside each other. */
export function bars(options: PanelOptions): Panel {
  return panel('bargauge', options, {
    options: {
      displayMode: 'basic',
      orientation: 'horizontal',
      reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
      showUnfilled: true,
      valueMode: 'text',
    },
  })
}

/** A row of a dashboard. */
export function row(height: number, ...panels: readonly Panel[]): Row {
  return { height, panels }
}

/**
 * A variable that chooses among the values of a label; all of them at first.
 *
 * @param metric a metric that has the label.
 */
export function labelVariable(name: string, metric: string): Panel {
  const query = `label_values(${metric}, ${name})`
  return {
    name,
    label: name,
    type: 'query',
    datasource: DATASOURCE,
    query: { query, refId: 'labels' },
    definition: query,
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    // Also what appears later, and series in which the label is empty.
    allValue: '.*',
    current: { text: 'All', value: '$__all' },
  }
}

/** What a dashboard is made from. */
export interface DashboardOptions {
  /** Stays the same for ever: links to the dashboard contain it. */
  readonly uid: string
  readonly title: string
  readonly description: string
  readonly variables?: readonly Panel[]
  readonly rows: readonly Row[]
}

/** A dashboard as Grafana imports it. */
export interface Dashboard extends Panel {
  readonly uid: string
}

/** Puts the rows below each other, under links to the other dashboards and with marks where alerts fired. */
export function dashboard({ uid, title, description, variables = [], rows }: DashboardOptions): Dashboard {
  let y = 0
  const panels: Panel[] = []
  for (const { height, panels: inRow } of rows) {
    const width = 24 / inRow.length
    for (const [index, one] of inRow.entries()) {
      panels.push({ id: panels.length + 1, ...one, gridPos: { x: index * width, y, w: width, h: height } })
    }
    y += height
  }
  return {
    uid,
    title,
    description,
    tags: ['blockmill'],
    schemaVersion: 39,
    editable: true,
    graphTooltip: 1,
    refresh: '10s',
    time: { from: 'now-1h', to: 'now' },
    timezone: 'browser',
    templating: { list: variables },
    links: [
      {
        type: 'dashboards',
        title: 'Blockmill',
        tags: ['blockmill'],
        asDropdown: false,
        includeVars: true,
        keepTime: true,
      },
    ],
    annotations: {
      list: [
        {
          name: 'Alerts',
          datasource: DATASOURCE,
          enable: true,
          iconColor: 'red',
          expr: 'ALERTS{alertname=~"Blockmill.*", alertstate="firing"}',
          titleFormat: '{{alertname}}',
          textFormat: '{{chain}} {{task}}',
        },
      ],
    },
    panels,
  }
}

function panel(
  type: string,
  { title, description, unit = 'short', queries, ...options }: PanelOptions,
  { custom, options: display }: { readonly custom?: object; readonly options: object },
): Panel {
  const { max, limits, colors = [], words, decimals } = options
  return {
    type,
    title,
    description,
    datasource: DATASOURCE,
    fieldConfig: {
      defaults: {
        unit,
        min: 0,
        ...(max !== undefined && { max }),
        ...(decimals !== undefined && { decimals }),
        ...(words !== undefined && { mappings: [{ type: 'value', options: mappings(words) }] }),
        thresholds: { mode: 'absolute', steps: thresholds(limits) },
        ...(custom !== undefined && { custom }),
      },
      overrides: colors.map(([color, name]) => ({
        matcher: { id: 'byName', options: name },
        properties: [{ id: 'color', value: { mode: 'fixed', fixedColor: color } }],
      })),
    },
    options: display,
    targets: queries.map(([expr, legendFormat], index) => ({
      refId: String.fromCodePoint(65 + index),
      datasource: DATASOURCE,
      expr,
      legendFormat,
    })),
  }
}

function thresholds(limits: PanelOptions['limits']): readonly object[] {
  const green = { color: 'green', value: null }
  if (limits === undefined) return [green]
  const [yellow, red] = limits
  const atOnceRed = yellow === red
  return [green, ...(atOnceRed ? [] : [{ color: 'yellow', value: yellow }]), { color: 'red', value: red }]
}

function mappings(words: Readonly<Record<string, string>>): object {
  return Object.fromEntries(Object.entries(words).map(([value, text], index) => [value, { text, index }]))
}
