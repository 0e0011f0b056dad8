// The status page: asks the API once a second and shows what it says. Everything from outside enters the page as text, by
// `textContent`, never as markup.

const INTERVAL_MS = 1_000
const byId = (id) => document.getElementById(id)

async function get(path) {
  const response = await fetch(path, { headers: { accept: 'application/json' } })
  const body = await response.json()
  if (!response.ok) throw new Error(body.detail ?? `status ${response.status}`)
  return body
}

/** @param cells each a text, or `{ text, className, href, title }`. */
function row(cells) {
  const line = document.createElement('tr')
  for (const cell of cells) {
    const { text, className, href, title } = typeof cell === 'object' && cell !== null ? cell : { text: cell }
    const field = document.createElement('td')
    if (className) field.className = className
    if (title) field.title = title
    if (href) {
      const link = document.createElement('a')
      link.href = href
      link.textContent = text
      field.append(link)
    } else {
      field.textContent = text ?? ''
    }
    line.append(field)
  }
  return line
}

function fill(id, rows, empty) {
  const body = byId(id)
  if (rows.length > 0) return body.replaceChildren(...rows)
  const line = row([{ text: empty, className: 'empty' }])
  line.firstChild.colSpan = 99
  body.replaceChildren(line)
}

function total(name, value, className) {
  const card = document.createElement('div')
  const term = document.createElement('dt')
  const detail = document.createElement('dd')
  term.textContent = name
  detail.textContent = value
  if (className) detail.className = className
  card.append(term, detail)
  return card
}

const format = new Intl.NumberFormat('en')
const count = (value) => format.format(value)
const number = (value) => ({ text: value === null ? '–' : count(value), className: 'number' })
const alarm = (value) => ({ text: count(value), className: value > 0 ? 'number failed' : 'number' })
const status = (value) => ({ text: value, className: value })
const json = (value) => {
  const text = value === null ? '' : JSON.stringify(value)
  return { text: text.length > 80 ? `${text.slice(0, 80)}…` : text, title: text }
}

function ago(time) {
  if (time === null) return { text: '', className: 'number' }
  const seconds = Math.max(0, (Date.now() - Date.parse(time)) / 1_000)
  return { text: `${duration(seconds)} ago`, className: 'number', title: time }
}

function duration(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1_000)} ms`
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`
  if (seconds < 3_600) return `${Math.round(seconds / 60)} min`
  return `${Math.round(seconds / 3_600)} h`
}

function took({ startedAt, finishedAt }) {
  if (startedAt === null || finishedAt === null) return { text: '', className: 'number' }
  return { text: duration((Date.parse(finishedAt) - Date.parse(startedAt)) / 1_000), className: 'number' }
}

function showTotals({ totals, rates, oldestWaiting }, coverage) {
  const ends = coverage.map(({ evaluatedTo }) => evaluatedTo).filter((block) => block !== null)
  const cards = [
    total('evaluated to block', ends.length === 0 ? '–' : count(Math.max(...ends))),
    ...Object.entries(totals)
      .filter(([state, value]) => value > 0 || ['scheduled', 'running', 'succeeded', 'failed'].includes(state))
      .map(([state, value]) => total(state, count(value), value > 0 ? state : '')),
    total('scheduled / s', rates.scheduledPerSecond.toFixed(1)),
    total('finished / s', rates.finishedPerSecond.toFixed(1)),
    total('oldest waiting', oldestWaiting === null ? '–' : duration(oldestWaiting.ageSeconds)),
  ]
  byId('totals').replaceChildren(...cards)
}

function showCoverage(coverage) {
  const rows = coverage.map((one) =>
    row([
      one.chain,
      one.task,
      json(one.args),
      one.head,
      number(one.startBlock),
      number(one.evaluatedTo),
      number(one.evaluatedCount),
      alarm(one.gapCount),
      number(one.unfinished),
      alarm(one.failed),
    ]),
  )
  fill('coverage', rows, 'No block has been evaluated yet.')
}

function showWorkers(workers) {
  const rows = workers.map((worker) =>
    row([
      worker.name,
      { text: worker.state, className: worker.state === 'running' ? 'up' : worker.state },
      worker.queues.join(', '),
      { text: `${worker.running.length} / ${worker.concurrency}`, className: 'number' },
      { text: `${Math.round(worker.rssBytes / 1e6)} MB`, className: 'number' },
      { text: `${worker.eventLoopLagMs} ms`, className: 'number' },
      ago(worker.lastSeenAt),
    ]),
  )
  fill('workers', rows, 'No worker has been seen yet.')
}

const nameOf = (task) => ({ text: task.name, href: `/api/v1/tasks/${encodeURIComponent(task.id)}`, title: task.id })
const attemptOf = ({ attempt, maxAttempts }) => ({
  text: maxAttempts === null ? String(attempt) : `${attempt} / ${maxAttempts}`,
  className: 'number',
})
const blockOf = ({ block, range }) =>
  range === null ? number(block) : { text: `${count(range.from)}–${count(range.to)}`, className: 'number' }

function showFailures(tasks) {
  const rows = tasks.map((task) => {
    const message = task.error === null ? task.reason : `${task.error.name}: ${task.error.message}`
    const error = { text: message ?? '', title: message ?? '' }
    return row([nameOf(task), blockOf(task), status(task.status), attemptOf(task), error, ago(task.changedAt)])
  })
  fill('failures', rows, 'Nothing has failed.')
}

function showTasks(tasks) {
  const rows = tasks.map((task) =>
    row([
      nameOf(task),
      blockOf(task),
      json(task.args),
      status(task.status),
      attemptOf(task),
      task.worker ?? '',
      took(task),
      ago(task.changedAt),
    ]),
  )
  fill('tasks', rows, 'No task has been scheduled yet.')
}

async function refresh() {
  const [stats, { coverage }, { workers }, failures, latest] = await Promise.all([
    get('/api/v1/stats'),
    get('/api/v1/coverage'),
    get('/api/v1/workers'),
    get('/api/v1/tasks?status=failed&status=dead&limit=10'),
    get('/api/v1/tasks?limit=25'),
  ])
  showTotals(stats, coverage)
  showCoverage(coverage)
  showWorkers(workers)
  showFailures(failures.tasks)
  showTasks(latest.tasks)
}

async function showNow() {
  const connection = byId('connection')
  try {
    await refresh()
    connection.textContent = `live, ${new Date().toLocaleTimeString()}`
    connection.className = ''
  } catch (error) {
    connection.textContent = `not up to date: ${error.message}`
    connection.className = 'lost'
  }
}

for (;;) {
  // A page that nobody sees costs nothing.
  if (!document.hidden) await showNow()
  await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS))
}
