import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

import { ConfigurationError } from '@blockmill/core'

/** As `os` and `cpu` of the packages that bring anvil say. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

/**
 * Finds the anvil that comes with the npm package of this platform. It is an optional dependency: where there is none, the
 * rest of the testkit works all the same.
 * @throws ConfigurationError `SERVICE_UNAVAILABLE` when there is none for this platform.
 */
export function findAnvil(platform: string = process.platform, arch: string = process.arch): string {
  const name = `@foundry-rs/anvil-${platform}-${ARCHITECTURES[arch] ?? arch}`
  try {
    return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), 'bin', 'anvil')
  } catch (cause) {
    throw new ConfigurationError(
      'SERVICE_UNAVAILABLE',
      `The package ${name}, which brings anvil for this platform, is not installed. It exists for Linux and macOS on x64 and arm64; install again without leaving out optional dependencies.`,
      { cause },
    )
  }
}
