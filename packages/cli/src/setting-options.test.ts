import { defineSettings, setting } from '@blockmill/core'
import { Command } from 'commander'
import { expect, test } from 'vitest'

import { addSettingOptions, settingValues } from './setting-options.ts'

const settings = defineSettings({
  grace: setting.integer({
    key: 'BLOCKMILL_GRACE',
    flag: 'grace',
    description: 'time to stop',
    default: 30,
    min: 0,
    max: 9,
  }),
  pollInterval: setting.text({ key: 'BLOCKMILL_POLL_INTERVAL', flag: 'poll-interval', description: 'how often' }),
  hidden: setting.text({ key: 'BLOCKMILL_HIDDEN', description: 'only in the environment' }),
})

test('what is given on the command line is known by key, and what is not given is not', () => {
  const command = addSettingOptions(new Command('worker'), settings).parse(['--poll-interval', '5s'], { from: 'user' })
  expect(settingValues(command, settings)).toEqual({ BLOCKMILL_GRACE: undefined, BLOCKMILL_POLL_INTERVAL: '5s' })
})

test('help names each option with its key and default', () => {
  const help = addSettingOptions(new Command('worker'), settings).helpInformation()
  expect(help).toContain('time to stop (BLOCKMILL_GRACE, default 30)')
  expect(help).toContain('how often (BLOCKMILL_POLL_INTERVAL)')
  expect(help).not.toContain('BLOCKMILL_HIDDEN')
})
