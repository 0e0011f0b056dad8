/** The parts of a JSON Schema that the page shows. */
interface Schema {
  readonly type?: string | readonly string[]
  readonly format?: string
  readonly description?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly [rule: string]: unknown
}

interface Parameter {
  readonly name: string
  readonly in: string
  readonly required?: boolean
  readonly description?: string
  readonly schema?: Schema
}

type Content = Readonly<Record<string, { readonly schema?: Schema }>>

interface Operation {
  readonly summary?: string
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly content?: Content }
  readonly responses?: Readonly<Record<string, { readonly content?: Content }>>
}

/** The parts of an OpenAPI description that the page shows. */
export interface ApiDescription {
  readonly paths?: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const
/** Rules that are told beside the type. */
const RULES = ['minimum', 'maximum', 'multipleOf', 'minLength', 'maxLength', 'minItems', 'maxItems', 'pattern'] as const
const DEEPEST = 4

/**
 * The API as a page to read, made on the server of its OpenAPI description: without a script, so it works under the strictest
 * policy, and without a network. All text is escaped.
 */
export function docsPage({ paths = {} }: ApiDescription): string {
  const routes = Object.entries(paths).flatMap(([path, operations]) =>
    METHODS.flatMap((method) => {
      const operation = operations[method]
      return operation === undefined ? [] : [{ path, method: method.toUpperCase(), operation }]
    }),
  )
  const groups = Map.groupBy(routes, ({ path }) => path.split('/')[3] ?? '')
  const sorted = [...groups].toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta name="color-scheme" content="light dark" />
<title>Blockmill REST API</title>
<link rel="icon" href="data:," />
<link rel="stylesheet" href="/style.css" />
</head>
<body>
<header><h1>Blockmill REST API</h1><p><a href="/">Status</a> · <a href="/openapi.json">OpenAPI</a></p></header>
<main>
<nav aria-label="Groups">${sorted.map(([name]) => `<a href="#${text(name)}">${text(name)}</a>`).join(' · ')}</nav>
${sorted.map(([name, some]) => `<section id="${text(name)}"><h2>${text(name)}</h2>${some.map(routePart).join('')}</section>`).join('\n')}
</main>
</body>
</html>
`
}

function routePart({
  path,
  method,
  operation: { summary = '', parameters = [], requestBody, responses = {} },
}: {
  readonly path: string
  readonly method: string
  readonly operation: Operation
}): string {
  const body = schemaOf(requestBody?.content)
  const answers = Object.entries(responses).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const good = answers.filter(([status]) => status.startsWith('2'))
  const others = answers.filter(([status]) => !status.startsWith('2')).map(([status]) => status)
  return `
<details>
<summary><code>${text(method)} ${text(path)}</code> ${text(summary)}</summary>
${parameters.length === 0 ? '' : table('Parameters', parameters.map(parameterRow))}
${body === undefined ? '' : table('Body', schemaRows(body))}
${good.map(([status, { content }]) => table(`Answer ${status}`, schemaRows(schemaOf(content) ?? {}))).join('\n')}
${others.length === 0 ? '' : `<p>Problems: ${text(others.join(', '))}</p>`}
</details>`
}

type Row = readonly [name: string, type: string, isRequired: boolean, description: string]

function parameterRow({ name, in: place, required = false, description, schema = {} }: Parameter): Row {
  return [`${name} (${place})`, typeOf(schema), required, description ?? schema.description ?? '']
}

/** A row for each property, with those of objects in it: `range.from`, `lanes[].lane`. */
function schemaRows(schema: Schema, prefix = '', depth = 0): Row[] {
  const { properties, items } = solid(schema)
  if (items !== undefined) return depth < DEEPEST ? schemaRows(items, `${prefix}[]`, depth + 1) : []
  if (properties === undefined) return []
  const required = solid(schema).required ?? []
  return Object.entries(properties).flatMap(([name, property]) => {
    const path = prefix === '' ? name : `${prefix}.${name}`
    const row: Row = [path, typeOf(property), required.includes(name), property.description ?? '']
    return [row, ...(depth < DEEPEST ? schemaRows(property, path, depth + 1) : [])]
  })
}

/** Of what may be null, the other. */
function solid(schema: Schema): Schema {
  const others = schema.anyOf?.filter(({ type }) => type !== 'null') ?? []
  return others.length === 1 && others[0] !== undefined ? others[0] : schema
}

function typeOf(schema: Schema): string {
  const { type, format, items, anyOf, enum: values } = schema
  const rules = RULES.flatMap((rule) => (schema[rule] === undefined ? [] : [`${rule} ${JSON.stringify(schema[rule])}`]))
  const name = (() => {
    if ('const' in schema) return JSON.stringify(schema.const)
    if (values !== undefined) return values.map((value) => JSON.stringify(value)).join(' | ')
    if (anyOf !== undefined) return anyOf.map(typeOf).join(' | ')
    if (items !== undefined) return `list of ${typeOf(items)}`
    return [type ?? 'anything'].flat().join(' | ')
  })()
  return [format === undefined ? name : `${name} (${format})`, ...rules].join(', ')
}

function table(caption: string, rows: readonly Row[]): string {
  if (rows.length === 0) return `<p>${text(caption)}: nothing more.</p>`
  const lines = rows.map(
    ([name, type, isRequired, description]) =>
      `<tr><td><code>${text(name)}</code>${isRequired ? ' *' : ''}</td><td>${text(type)}</td><td>${text(description)}</td></tr>`,
  )
  return `<div class="scroll"><table><caption>${text(caption)}</caption><tbody>${lines.join('')}</tbody></table></div>`
}

function schemaOf(content: Content | undefined): Schema | undefined {
  return Object.values(content ?? {})[0]?.schema
}

function text(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
