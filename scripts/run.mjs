#!/usr/bin/env node
// Entry of every npm script of this repository. It needs Node 18 and npm, nothing else: it brings the right Node and pnpm
// when the machine lacks them, installs the workspace when something changed, and runs the command under that Node.
if (Number(process.versions.node.split('.')[0]) < 18) {
  process.stderr.write(`Node ${process.versions.node} is too old: install Node 18 or later, then run this again.\n`)
  process.exit(1)
}

const { bootstrap } = await import('./bootstrap/bootstrap.mjs')
process.exitCode = await bootstrap(process.argv.slice(2))
