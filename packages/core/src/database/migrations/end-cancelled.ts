import { Migration } from '@mikro-orm/migrations'

/**
 * Ends tasks that were called off and whose messages were dropped, so that no worker will report their end. It runs with the rights of
 * the owner: with it, an operator who may not write the record can end what is called off and due, and nothing else.
 *
 * One row for each of these reads as if a worker had cancelled the attempt that the task waited for.
 */
export class EndCancelled extends Migration {
  override up(): void {
    this.addSql(`
create function blockmill.end_cancelled(ids uuid[], ended_at timestamptz, why text) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
with due as (
  select id, status from blockmill.task
  where id = any(ids) and status in ('scheduled', 'retrying', 'postponed')
    and coalesce(case status when 'scheduled' then not_before else next_attempt_at end, '-infinity') <= ended_at
    and exists (select from blockmill.cancel_request as request where request.task_id = task.id)
  order by id for update
), ended as (
  update blockmill.task set status = 'cancelled', changed_at = ended_at, finished_at = ended_at, reason = why,
    attempt = attempt + (due.status = 'retrying')::int, postpones = postpones + (due.status = 'postponed')::int,
    started_at = null, next_attempt_at = null, worker = null, result = null, error = null, fingerprint = null
  from due where task.id = due.id
  returning task.id, generation, attempt, postpones
), logged as (
  insert into blockmill.task_attempt
    (task_id, generation, attempt, postpones, outcome, worker, started_at, finished_at, reason)
  select id, generation, attempt, postpones, 'cancelled', '', ended_at, ended_at, why from ended
  on conflict do nothing
)
delete from blockmill.unique_task as held using ended
where held.task_id = ended.id and held.generation <= ended.generation
$$`)
    // Otherwise everybody may call it.
    this.addSql('revoke all on function blockmill.end_cancelled from public')
  }

  override down(): void {
    this.addSql('drop function blockmill.end_cancelled')
  }
}
