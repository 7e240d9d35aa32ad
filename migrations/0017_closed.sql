-- A closed period stays as it was written: a line of the ledger says itself what it is about, and the database says
-- whether a transaction is left that may still book into a period. And who prunes can say beforehand what will go.

SET LOCAL lock_timeout = '5s';

-- The row of a transfer that left the chain may come to say something else: where an endpoint had told what was not so.
ALTER TABLE ledger ADD COLUMN from_address text, ADD COLUMN block_number bigint, ADD COLUMN block_time timestamptz;
ALTER TABLE ledger DISABLE TRIGGER ledger_append_only;
UPDATE ledger l SET from_address = t.from_address, block_number = t.block_number, block_time = t.block_time
  FROM transfers t WHERE t.network = l.network AND t.block_hash = l.block_hash AND t.log_index = l.log_index;
ALTER TABLE ledger ENABLE TRIGGER ledger_append_only;
ALTER TABLE ledger ALTER COLUMN from_address SET NOT NULL, ALTER COLUMN block_number SET NOT NULL, ALTER COLUMN block_time SET NOT NULL;
-- Money without an owner, in the order in which it became so.
CREATE INDEX ledger_unowned ON ledger (booked_at, id) WHERE session_id IS NULL AND units <> 0;

CREATE OR REPLACE FUNCTION transfers_book() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    was boolean := TG_OP = 'UPDATE' AND OLD.state = 'CONFIRMED';
    is_now boolean := NEW.state = 'CONFIRMED';
    decision bigint := NEW.settlement;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        decision := coalesce(NEW.settlement, OLD.settlement);
    END IF;
    IF was AND (NOT is_now OR OLD.session_id IS DISTINCT FROM NEW.session_id) THEN
        INSERT INTO ledger (kind, network, token_address, from_address, to_address, block_number, block_hash, block_time, log_index,
                            tx_hash, session_id, units, amount, settlement)
        VALUES (CASE WHEN is_now THEN 'release' ELSE 'revert' END, OLD.network, OLD.token_address, OLD.from_address, OLD.to_address,
                OLD.block_number, OLD.block_hash, OLD.block_time, OLD.log_index, OLD.tx_hash, OLD.session_id, -OLD.amount_units,
                -OLD.amount, decision);
    END IF;
    IF is_now AND (NOT was OR OLD.session_id IS DISTINCT FROM NEW.session_id) THEN
        INSERT INTO ledger (kind, network, token_address, from_address, to_address, block_number, block_hash, block_time, log_index,
                            tx_hash, session_id, units, amount, settlement)
        VALUES (CASE WHEN was THEN 'assign' ELSE 'confirm' END, NEW.network, NEW.token_address, NEW.from_address, NEW.to_address,
                NEW.block_number, NEW.block_hash, NEW.block_time, NEW.log_index, NEW.tx_hash, NEW.session_id, NEW.amount_units,
                NEW.amount, decision);
    END IF;
    RETURN NULL;
END $$;

-- A refund is booked as the transfer then stood; what takes it back is the opposite of what was booked.
CREATE OR REPLACE FUNCTION settlements_book() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.kind = 'refund' THEN
        INSERT INTO ledger (kind, network, token_address, from_address, to_address, block_number, block_hash, block_time, log_index,
                            tx_hash, units, amount, settlement)
        SELECT 'refund', t.network, t.token_address, t.from_address, t.to_address, t.block_number, t.block_hash, t.block_time,
               t.log_index, t.tx_hash, -t.amount_units, -t.amount, NEW.id
          FROM transfers t WHERE t.network = NEW.network AND t.block_hash = NEW.block_hash AND t.log_index = NEW.log_index;
    ELSE
        INSERT INTO ledger (kind, network, token_address, from_address, to_address, block_number, block_hash, block_time, log_index,
                            tx_hash, units, amount, settlement)
        SELECT 'refund', l.network, l.token_address, l.from_address, l.to_address, l.block_number, l.block_hash, l.block_time,
               l.log_index, l.tx_hash, -l.units, -l.amount, l.settlement
          FROM settlements d
          JOIN ledger l ON l.network = d.network AND l.block_hash = d.block_hash AND l.log_index = d.log_index
                       AND l.settlement = d.id AND l.kind = 'refund'
         WHERE d.id = NEW.undoes AND d.kind = 'refund';
    END IF;
    RETURN NULL;
END $$;

-- Transactions that have written and not ended, and that may have begun before a moment: what they book is booked before
-- it, and is seen when they end. A COMMIT that waits for its standby may take for ever. Where the owner may not see when
-- another role's transaction began, as where it is a prepared one, it counts if it writes where reports read.
CREATE FUNCTION deposit_watcher_unfinished(before timestamptz)
RETURNS TABLE (process integer, transaction text, began_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    WITH writing AS (
        SELECT l.pid FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid = l.database
         WHERE d.datname = current_database() AND l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.granted
           AND l.relation IN ('ledger'::regclass, 'deposit_sessions'::regclass, 'settlements'::regclass))
    SELECT a.pid, a.backend_xid::text, a.xact_start FROM pg_catalog.pg_stat_activity a
     WHERE a.datname = current_database() AND a.backend_xid IS NOT NULL AND a.pid <> pg_backend_pid()
       AND (a.xact_start < before OR a.xact_start IS NULL AND a.pid IN (SELECT w.pid FROM writing w))
    UNION ALL
    SELECT NULL, p.gid, NULL FROM pg_catalog.pg_prepared_xacts p
     WHERE p.database = current_database() AND EXISTS (SELECT FROM writing w WHERE w.pid IS NULL)
$$;
REVOKE ALL ON FUNCTION deposit_watcher_unfinished(timestamptz) FROM PUBLIC;

-- The same as before, where deliveries that ended longer than `delivered` ago are taken as gone already; null: none.
CREATE FUNCTION deposit_watcher_event_may_go(e events, delivered interval) RETURNS boolean LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT e.sequence < (SELECT s.last FROM event_sequences s WHERE s.business_id = e.business_id)
       AND e.type IN ('deposit.created', 'deposit.pending', 'deposit.expired', 'deposit.underpaid', 'deposit.unmatched')
       AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.event_id = e.id
                          AND (d.created_at < now() - delivered AND d.state <> 'WAITING' AND d.finished_at < now() - delivered) IS NOT TRUE)
       AND (e.session_id IS NULL
            OR EXISTS (SELECT FROM events l WHERE l.session_id = e.session_id AND l.position > e.position)
               AND EXISTS (SELECT FROM deposit_sessions s WHERE s.id = e.session_id AND s.closed_at IS NOT NULL))
$$;
CREATE OR REPLACE FUNCTION deposit_watcher_event_may_go(e events) RETURNS boolean LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT deposit_watcher_event_may_go(e, NULL)
$$;
CREATE FUNCTION deposit_watcher_old_events(of_business text, older interval, after bigint, most bigint, delivered interval)
RETURNS TABLE (sequence bigint, id text, goes boolean) LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT o.sequence, o.id, deposit_watcher_event_may_go(e, delivered)
      FROM (SELECT p.sequence, p.id, bool_and(p.created_at < now() - older) OVER (ORDER BY p.sequence) AS old
              FROM (SELECT x.sequence, x.id, x.created_at FROM events x
                     WHERE x.business_id = of_business AND x.sequence > after ORDER BY x.sequence LIMIT most) p) o
      JOIN events e ON e.id = o.id
     WHERE o.old ORDER BY o.sequence
$$;
CREATE OR REPLACE FUNCTION deposit_watcher_old_events(of_business text, older interval, after bigint, most bigint)
RETURNS TABLE (sequence bigint, id text, goes boolean) LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT o.sequence, o.id, o.goes FROM deposit_watcher_old_events(of_business, older, after, most, NULL) o
$$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'deposit_watcher_report') THEN
        GRANT EXECUTE ON FUNCTION deposit_watcher_unfinished(timestamptz) TO deposit_watcher_report;
    END IF;
END $$;

-- The books: three rules compare what was booked with what was booked, and what was told with what stood beside it. All
-- others stay as they are.
DO $books$
BEGIN
    EXECUTE 'CREATE OR REPLACE VIEW deposit_watcher_books (rule, subject, detail) AS SELECT b.rule, b.subject, b.detail FROM ('
        || rtrim(pg_get_viewdef('deposit_watcher_books'::regclass), ';') || $rules$) b
 WHERE b.rule NOT IN ('ledger_reverses_only_what_it_holds', 'refunds_are_booked_once', 'no_change_is_told_twice')
UNION ALL
-- Behind a line that adds it holds just that, behind one that takes back it holds nothing.
SELECT 'ledger_reverses_only_what_it_holds', 'ledger ' || h.id, format('%s held behind %s of %s', h.held, h.kind, h.units)
  FROM (SELECT l.id, l.kind, l.units, sum(l.units) OVER (PARTITION BY l.network, l.block_hash, l.log_index ORDER BY l.id) AS held
          FROM ledger l WHERE l.kind <> 'refund') h
 WHERE h.held <> greatest(h.units, 0)
UNION ALL
-- A refund sends back what the ledger held of the transfer when it was booked.
SELECT 'refunds_are_booked_once', 'settlement ' || coalesce(d.id, l.settlement), format('%s in the ledger', l.units)
  FROM (SELECT s.* FROM settlements s WHERE s.kind = 'refund' AND s.outcome = 'done') d
  FULL JOIN (SELECT settlement, sum(units) AS units, min(id) AS first FROM ledger WHERE kind = 'refund' GROUP BY settlement) l ON l.settlement = d.id
 WHERE d.id IS NULL OR l.units IS DISTINCT FROM CASE
         WHEN l.first IS NULL OR EXISTS (SELECT FROM settlements u WHERE u.undoes = d.id) THEN 0
         ELSE (SELECT -c.units FROM ledger c
                WHERE c.network = d.network AND c.block_hash = d.block_hash AND c.log_index = d.log_index
                  AND c.kind IN ('confirm', 'assign') AND c.id < l.first ORDER BY c.id DESC LIMIT 1) END
UNION ALL
-- Of neighbours: where one that stood between them was pruned, its place in the business's numbers is empty.
SELECT 'no_change_is_told_twice', e.session_id, format('%s %s', e.type, e.id)
  FROM (SELECT e.id, e.session_id, e.type, e.said, e.pruned, lag(e.type) OVER w AS type_before, lag(e.said) OVER w AS said_before,
               lag(e.pruned) OVER w AS pruned_before
          FROM (SELECT e.id, e.session_id, e.type, e.position,
                       ARRAY[e.data ->> 'status', e.data ->> 'final', e.data ->> 'txHash', e.data ->> 'receivedAmount',
                             e.data ->> 'confirmedAmount'] AS said,
                       -- How many were pruned before it: of one without a number, all that ever were.
                       CASE WHEN e.sequence IS NULL THEN coalesce(s.pruned, 0)
                            ELSE e.sequence - row_number() OVER (PARTITION BY e.business_id ORDER BY e.sequence) END AS pruned
                  FROM events e LEFT JOIN event_sequences s ON s.business_id = e.business_id) e
         WHERE e.session_id IS NOT NULL
        WINDOW w AS (PARTITION BY e.session_id ORDER BY e.position)) e
 WHERE e.type = e.type_before AND e.said IS NOT DISTINCT FROM e.said_before AND e.pruned = e.pruned_before
$rules$;
END $books$;
