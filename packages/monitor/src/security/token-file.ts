import { randomBytes, randomUUID } from 'node:crypto'
import { link, readFile, rm, writeFile } from 'node:fs/promises'

import { type ConfigOf, ConfigurationError, type Logger, monitorSettings } from '@blockmill/core'

import type { Tokens } from './access.ts'

type TokenSettings = Pick<
  ConfigOf<typeof monitorSettings>,
  'viewerTokens' | 'viewerTokenFile' | 'operatorTokens' | 'operatorTokenFile'
>

/** What a file of tokens had, or got. */
export interface TokenFile {
  readonly tokens: readonly string[]
  /** True when there was no file, and one with a random token was made. */
  readonly isNew: boolean
}

/**
 * The tokens of the settings with those in the files that they name.
 *
 * @throws ConfigurationError `CONFIG_INVALID` for a file that can neither be read nor made, or holds no token.
 */
export async function loadTokens(settings: TokenSettings, logger: Logger): Promise<Tokens> {
  const { viewerTokens = [], viewerTokenFile, operatorTokens = [], operatorTokenFile } = settings
  const load = async (key: string, file: string | undefined, mode: number): Promise<readonly string[]> => {
    if (file === undefined) return []
    const { tokens, isNew } = await openTokenFile(key, file, mode)
    if (isNew) logger.info({ file }, 'no token was there, so a random one was made: it is in this file')
    return tokens
  }
  const { viewerTokenFile: viewer, operatorTokenFile: operator } = monitorSettings
  return {
    viewerTokens: [...viewerTokens, ...(await load(viewer.key, viewerTokenFile, VIEWER_MODE))],
    operatorTokens: [...operatorTokens, ...(await load(operator.key, operatorTokenFile, OPERATOR_MODE))],
  }
}

/** Prometheus, in the group, can be let in to look without being let into everything. */
const VIEWER_MODE = 0o640
const OPERATOR_MODE = 0o600

/**
 * Reads the tokens in a file, which is written like the setting: one, or several separated by commas. Where there is no such
 * file, it is made with a random token, so that a monitor that nobody has given one is closed to strangers all the same.
 *
 * @param key of the setting that names the file, for errors.
 * @param mode of the file, where it is made.
 * @throws ConfigurationError `CONFIG_INVALID` when it can neither be read nor made, or holds something else.
 */
export async function openTokenFile(key: string, file: string, mode: number): Promise<TokenFile> {
  try {
    const isNew = await makeWhereMissing(file, mode)
    const tokens = monitorSettings.operatorTokens.parse((await readFile(file, 'utf8')).trim())
    if (tokens !== undefined) return { tokens, isNew }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new ConfigurationError('CONFIG_INVALID', `${key} (${file}) can neither be read nor made: ${reason}`, {
      cause: error,
    })
  }
  throw new ConfigurationError(
    'CONFIG_INVALID',
    `${key} (${file}) holds no token; it must hold ${monitorSettings.operatorTokens.rule}. Delete the file to get a new one.`,
  )
}

/** Of several monitors that share a folder, one makes the file, whole or not at all; the others read it. */
async function makeWhereMissing(file: string, mode: number): Promise<boolean> {
  const mine = `${file}.${randomUUID()}`
  try {
    await readFile(file)
    return false
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  try {
    await writeFile(mine, `${randomBytes(32).toString('hex')}\n`, { mode, flag: 'wx' })
    await link(mine, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    await rm(mine, { force: true })
  }
}
