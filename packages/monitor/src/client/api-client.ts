import type { Static, TSchema } from 'typebox'

import type { Problem } from '../http/problem.ts'
import type { ApiRoutes } from './api-contract.ts'

/** A route of the REST API, such as `GET /tasks/:id`. */
export type ApiRoute = keyof ApiRoutes

/** What is between the slashes and begins with a colon. */
type ParamsOf<Path extends string> = Path extends `${string}:${infer Rest}`
  ? Rest extends `${infer Name}/${infer More}`
    ? Name | ParamsOf<More>
    : Rest
  : never

type StaticOf<Definition, Key extends string> =
  Definition extends Readonly<Record<Key, infer Schema extends TSchema>> ? Static<Schema> : never

type Given<Key extends string, Value> = [Value] extends [never] ? unknown : Readonly<Record<Key, Value>>

/** What a route is called with: `params` of its path and `body` where it has them, and its `query` if wanted. */
export type ApiRequest<Route extends ApiRoute> = Given<'params', ParamsObject<Route>> &
  Given<'body', StaticOf<ApiRoutes[Route], 'body'>> & {
    readonly query?: StaticOf<ApiRoutes[Route], 'query'>
  }

type ParamsObject<Route extends string> = [ParamsOf<Route>] extends [never]
  ? never
  : Readonly<Record<ParamsOf<Route>, string>>

/** What a route answers; null where that is nothing. */
export type ApiAnswer<Route extends ApiRoute> = StaticOf<ApiRoutes[Route], 'answer'>

/** The REST API refused a request. */
export class ApiProblem extends Error {
  readonly status: number
  /** What is wrong, field by field, where the request is to blame. */
  readonly errors: NonNullable<Problem['errors']>

  constructor(status: number, { detail, errors = [] }: Partial<Problem>) {
    super(detail ?? `The monitor answered with status ${status}.`)
    this.name = 'ApiProblem'
    this.status = status
    this.errors = errors
  }
}

/** Calls the REST API of a monitor, with the types of its schemas. */
export interface ApiClient {
  /**
   * @throws ApiProblem for every answer that is no success; what `fetch` throws when there is none.
   */
  call<Route extends ApiRoute>(route: Route, request: ApiRequest<Route>): Promise<ApiAnswer<Route>>
}

export interface ApiClientOptions {
  /** Where the monitor is: `http://127.0.0.1:8080`. */
  readonly url: string
  /** Where it needs one. */
  readonly token?: string | undefined
  /** Default the global one. */
  readonly fetch?: typeof fetch
  readonly signal?: AbortSignal
}

type QueryValue = string | number | boolean

interface AnyRequest {
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, QueryValue | readonly QueryValue[] | undefined>>
  readonly body?: unknown
}

/** A client for Node and browsers alike: it needs `fetch` and nothing else. */
export function createApiClient({ url, token, signal, fetch: send = fetch }: ApiClientOptions): ApiClient {
  return {
    async call<Route extends ApiRoute>(route: Route, request: ApiRequest<Route>): Promise<ApiAnswer<Route>> {
      const { body, ...place }: AnyRequest = request
      const [method = '', path = ''] = route.split(' ')
      const response = await send(addressOf(url, path, place), {
        method,
        headers: {
          accept: 'application/json',
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...(signal !== undefined && { signal }),
      })
      const text = await response.text()
      if (!response.ok) throw new ApiProblem(response.status, problemOf(text))
      return (text === '' ? null : JSON.parse(text)) as ApiAnswer<Route>
    },
  }
}

function addressOf(url: string, path: string, { params = {}, query = {} }: AnyRequest): URL {
  const filled = path.replaceAll(/:(\w+)/g, (_all, name: string) => encodeURIComponent(params[name] ?? ''))
  const address = new URL(`api/v1${filled}`, url.endsWith('/') ? url : `${url}/`)
  for (const [name, value] of Object.entries(query)) {
    // What may be given several times is.
    for (const one of [value].flat()) if (one !== undefined) address.searchParams.append(name, String(one))
  }
  return address
}

/** A proxy in between may answer with anything. */
function problemOf(text: string): Partial<Problem> {
  try {
    return JSON.parse(text) as Partial<Problem>
  } catch {
    // A proxy's page, say: the status has to do.
    return {}
  }
}
