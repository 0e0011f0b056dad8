// Writes dashboards/*.json from source/*.ts: `node deploy/grafana/build.ts`. Grafana reads the JSON; a test compares both.
// `npm run fix` brings the JSON to the repository's format.
import { mkdirSync, writeFileSync } from 'node:fs'

import { DASHBOARDS } from './source/dashboards.ts'

const folder = new URL('dashboards/', import.meta.url)
mkdirSync(folder, { recursive: true })
for (const one of DASHBOARDS) {
  writeFileSync(new URL(`${one.uid}.json`, folder), `${JSON.stringify(one, null, 2)}\n`)
}
