import { parser } from '@prometheus-io/lezer-promql'

type Node = ReturnType<typeof parser.parse>['topNode']

/** A series that a query asks for. */
export interface Selector {
  readonly metric: string
  /** Labels that it is asked by: in its braces, and in the `by (…)` of every aggregation around it. */
  readonly labels: readonly string[]
}

/** What a query asks for. */
export interface Query {
  readonly selectors: readonly Selector[]
  /** Labels that its result may have: those of its aggregations, without `le`. */
  readonly labels: readonly string[]
}

/**
 * Reads a query with Prometheus's own grammar. Variables of Grafana may stand where ranges and texts do.
 *
 * @throws Error naming the query and the place where it is no PromQL.
 */
export function readPromql(query: string): Query {
  const text = query.replaceAll('$__rate_interval', '5m')
  const selectors: Selector[] = []
  const grouped = new Set<string>()
  const visit = (node: Node, outer: readonly string[]): void => {
    if (node.type.isError) throw new Error(`${query} is no PromQL at ${node.from}: ${text.slice(node.from)}`)
    if (node.name === 'VectorSelector') {
      selectors.push({ metric: textOf(node.getChild('Identifier')), labels: [...outer, ...labelsIn(node)] })
      return
    }
    const modifier = node.name === 'AggregateExpr' ? node.getChild('AggregateModifier') : null
    const by = modifier?.getChild('By') == null ? [] : labelsIn(modifier)
    for (const label of by) grouped.add(label)
    for (let child = node.firstChild; child !== null; child = child.nextSibling) visit(child, [...outer, ...by])
  }
  const textOf = (node: Node | null): string => (node === null ? '' : text.slice(node.from, node.to))
  const labelsIn = (node: Node): string[] => {
    const labels: string[] = []
    node.cursor().iterate((part) => {
      if (part.name === 'LabelName') labels.push(textOf(part.node))
    })
    return labels
  }
  visit(parser.parse(text).topNode, [])
  grouped.delete('le')
  return { selectors, labels: [...grouped] }
}
