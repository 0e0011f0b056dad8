// What each npm script does, once the machine is ready. Runs under the right Node; plain JavaScript like its caller.
import { existsSync } from 'node:fs'
import process from 'node:process'

import { runChild } from '../bootstrap/child.mjs'
import { chaosSettings } from './chaos.mjs'
import { buildSteps, packageSteps, packSteps } from './packages.mjs'
import { interruptedStatus, nodeTool, runSteps, runStepsTogether, summarize } from './step.mjs'
import { vitestRun, vitestStep } from './vitest-step.mjs'

const format = { name: 'format', ...nodeTool('oxfmt', ['--check', '.']) }
const lint = { name: 'lint', ...nodeTool('oxlint', ['--deny-warnings', '.']) }
const remember = ['--incremental', '--tsBuildInfoFile', '.blockmill/test/types.tsbuildinfo']
const types = { name: 'types', ...nodeTool('typescript', ['--noEmit', ...remember, '-p', 'tsconfig.json'], 'tsc') }

const COMMANDS = {
  setup: { does: 'brings Node, pnpm and the libraries, and nothing else', run: setup },
  demo: { does: 'runs the whole system on real parts', run: (args) => blockmill(['dev', ...args]) },
  blockmill: { does: 'the blockmill command, from source', run: blockmill },
  check: { does: 'format, lint, types and unit tests', run: check },
  test: { does: 'check, the packages, integration and end-to-end tests', run: testEverything },
  'test:packages': { does: 'builds, packs and checks what would be published', run: testPackages },
  'test:unit': { does: 'unit tests; arguments go to vitest', run: (args) => vitest('unit', args) },
  'test:integration': { does: 'integration tests; arguments go to vitest', run: (args) => vitest('integration', args) },
  'test:e2e': { does: 'end-to-end tests; arguments go to vitest', run: (args) => vitest('e2e', args) },
  'test:chaos': { does: 'kills workers, or with --database-down the database, under load', run: testChaos },
  'test:compose': {
    does: 'tries docker-compose.yml with a Docker engine',
    run: (args) => runNode('scripts/compose/main.mjs', args),
  },
  'test:containers': {
    does: 'integration tests on services in containers; arguments go to vitest',
    run: testContainers,
  },
  fix: { does: 'repairs what lint can repair, then formats', run: fix },
  build: { does: 'builds the packages', run: async () => summarize(await runSteps(buildSteps())) },
  bench: { does: 'runs the benchmarks', run: (args) => runNode('bench/main.ts', args) },
}

const [name = '', ...rest] = process.argv.slice(2)
const command = COMMANDS[name]
if (command === undefined) {
  const list = Object.entries(COMMANDS).map(([known, { does }]) => `  npm run ${known.padEnd(18)} ${does}`)
  process.stderr.write(`Unknown command ${JSON.stringify(name)}. There are:\n${list.join('\n')}\n`)
  process.exitCode = 2
} else {
  const status = await command.run(rest)
  process.exitCode = interruptedStatus() ?? status
}

function setup() {
  process.stdout.write(`Ready: Node ${process.versions.node}, libraries as locked. Try: npm run demo -- --blocks 20\n`)
  return 0
}

async function check() {
  return summarize(await runStepsTogether([format, lint, types, vitestStep('unit')]))
}

async function testEverything() {
  const results = await runStepsTogether([format, lint, types, vitestStep('unit')])
  results.push(...(await checkPackages()))
  results.push(...(await runSteps([vitestStep('integration'), vitestStep('e2e')])))
  return summarize(results)
}

async function testPackages() {
  return summarize(await checkPackages())
}

async function checkPackages() {
  const results = []
  for (const step of [...buildSteps(), ...packSteps()]) {
    const [result] = await runStepsTogether([step])
    results.push(result)
    // The rest looks at what this one makes.
    if (result.failed > 0) return results
  }
  return [...results, ...(await runStepsTogether(packageSteps()))]
}

async function fix() {
  const repair = { name: 'lint --fix', ...nodeTool('oxlint', ['--fix', '.']) }
  return summarize(await runSteps([repair, { name: 'format', ...nodeTool('oxfmt', ['.']) }]))
}

function testChaos(args) {
  const settings = chaosSettings(args)
  if ('project' in settings) return vitest(settings.project, settings.args, settings.environment)
  process.stderr.write(settings.usage)
  return 2
}

function testContainers(args) {
  return vitest('integration', args, { BLOCKMILL_TEST_SERVICES: 'docker' })
}

function vitest(kind, args, environment = {}) {
  const { command: node, args: before } = vitestRun(kind, args)
  return runChild(node, before, { env: { ...process.env, ...environment } })
}

function blockmill(args) {
  // As the first line of the file says, which counts when a shell starts it.
  return runNode('packages/cli/src/main.ts', args, ['--max-semi-space-size=16', '--heap-growing-percent=100'])
}

function runNode(file, args, flags = []) {
  if (!existsSync(file)) throw new Error(`${file} does not exist`)
  return runChild(process.execPath, [...flags, file, ...args], {})
}
