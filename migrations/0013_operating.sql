-- What whoever runs it needs to see, and which old rows may go.

SET LOCAL lock_timeout = '5s';

ALTER TABLE leases ADD COLUMN trouble text;
COMMENT ON COLUMN leases.trouble IS 'What kept the holder''s last step from its work, told with each renewal';

-- Old rows. What may go is said here once, for whoever counts and for whoever removes; how old it must be is in the
-- configuration. Sessions, transfers, the ledger and what the books read never go.

-- How far each network's blocks have been judged: those below stay.
CREATE TABLE prunings (
    network   text COLLATE "C" PRIMARY KEY REFERENCES networks,
    blocks_to bigint NOT NULL
);
COMMENT ON TABLE prunings IS 'The highest block that was judged for pruning; what was left below it stays. W';
CREATE INDEX blocks_orphaned ON blocks (network, orphaned_at) WHERE NOT canonical;

-- The lowest recorded blocks above `judged` that are older than `older`, and whether each may go. Kept are those with
-- transfers, those within `reorg_window` of the cursor or not yet looked at twice, the final one, the first, and the first
-- of each day: a person who resumes a halted network finds a place to go back to.
CREATE FUNCTION deposit_watcher_old_blocks(of_network text, older interval, reorg_window bigint, judged bigint, most bigint)
RETURNS TABLE (number bigint, hash text, goes boolean) LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT b.number, b.hash,
           b.number <> n.first_number AND b.hash IS DISTINCT FROM n.final_hash
           AND NOT EXISTS (SELECT FROM transfers t WHERE t.network = b.network AND t.block_hash = b.hash)
           AND EXISTS (SELECT FROM blocks e WHERE e.network = b.network AND e.canonical AND e.number < b.number
                          AND e.time BETWEEN date_trunc('day', b.time, 'UTC') AND b.time)
      FROM networks n
      JOIN blocks b ON b.network = n.slug AND b.canonical AND b.number > judged
                   AND b.number < least(n.confirmed_number, n.scanned_number - reorg_window)
     WHERE n.slug = of_network AND b.time < now() - older
     ORDER BY b.number LIMIT most
$$;

-- Blocks that left the chain longer than `older` ago and hold no transfer.
CREATE FUNCTION deposit_watcher_old_orphans(of_network text, older interval, most bigint)
RETURNS TABLE (hash text) LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT b.hash FROM blocks b
     WHERE b.network = of_network AND NOT b.canonical AND b.orphaned_at < now() - older
       AND NOT EXISTS (SELECT FROM transfers t WHERE t.network = b.network AND t.block_hash = b.hash)
     LIMIT most
$$;

ALTER TABLE event_sequences ADD COLUMN pruned bigint NOT NULL DEFAULT 0, ADD COLUMN judged bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN event_sequences.pruned IS 'How many of its events were pruned: the others and these are all';
COMMENT ON COLUMN event_sequences.judged IS 'The highest sequence that was judged for pruning; what was left below it stays';

-- Whether an event has been overtaken and nobody waits for it. What was confirmed or taken back stays for good, and so do
-- kinds that are not known here, the newest event of a session and of a business, and all of a session that is open.
CREATE FUNCTION deposit_watcher_event_may_go(e events) RETURNS boolean LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT e.sequence < (SELECT s.last FROM event_sequences s WHERE s.business_id = e.business_id)
       AND e.type IN ('deposit.created', 'deposit.pending', 'deposit.expired', 'deposit.underpaid', 'deposit.unmatched')
       AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.event_id = e.id)
       AND (e.session_id IS NULL
            OR EXISTS (SELECT FROM events l WHERE l.session_id = e.session_id AND l.position > e.position)
               AND EXISTS (SELECT FROM deposit_sessions s WHERE s.id = e.session_id AND s.closed_at IS NOT NULL))
$$;

-- The oldest numbered events above `after`, as far as they are older than `older`, and whether each may go.
CREATE FUNCTION deposit_watcher_old_events(of_business text, older interval, after bigint, most bigint)
RETURNS TABLE (sequence bigint, id text, goes boolean) LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT o.sequence, o.id, deposit_watcher_event_may_go(e)
      FROM (SELECT p.sequence, p.id, bool_and(p.created_at < now() - older) OVER (ORDER BY p.sequence) AS old
              FROM (SELECT x.sequence, x.id, x.created_at FROM events x
                     WHERE x.business_id = of_business AND x.sequence > after ORDER BY x.sequence LIMIT most) p) o
      JOIN events e ON e.id = o.id
     WHERE o.old ORDER BY o.sequence
$$;

-- Deliveries of an endpoint that ended longer than `older` ago.
CREATE FUNCTION deposit_watcher_old_deliveries(of_endpoint text, older interval, most bigint)
RETURNS TABLE (id text) LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT d.id FROM webhook_deliveries d
     WHERE d.endpoint_id = of_endpoint AND d.created_at < now() - older AND d.state <> 'WAITING' AND d.finished_at < now() - older
     ORDER BY d.created_at, d.id LIMIT most
$$;

-- Events are still never deleted, but by who prunes, and then only what may go; the count cannot be forgotten.
CREATE FUNCTION events_only_pruned() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF coalesce(current_setting('deposit_watcher.pruning', true), '') <> 'on' OR deposit_watcher_event_may_go(OLD) IS NOT TRUE THEN
        RAISE EXCEPTION 'rows of events are never deleted or rewritten'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'events_append_only';
    END IF;
    RETURN OLD;
END $$;
DROP TRIGGER events_never_deleted ON events;
CREATE TRIGGER events_only_pruned BEFORE DELETE ON events FOR EACH ROW EXECUTE FUNCTION events_only_pruned();
CREATE FUNCTION events_count_pruned() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE event_sequences s SET pruned = s.pruned + g.events
      FROM (SELECT o.business_id, count(*) AS events FROM gone o GROUP BY o.business_id) g WHERE g.business_id = s.business_id;
    RETURN NULL;
END $$;
CREATE TRIGGER events_count_pruned AFTER DELETE ON events REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION events_count_pruned();

-- The books: what is pruned was counted. All other rules stay as they are.
DO $books$
BEGIN
    EXECUTE 'CREATE OR REPLACE VIEW deposit_watcher_books (rule, subject, detail) AS SELECT b.rule, b.subject, b.detail FROM ('
        || rtrim(pg_get_viewdef('deposit_watcher_books'::regclass), ';') || $rules$) b WHERE b.rule <> 'sequences_have_no_gap'
UNION ALL
SELECT 'sequences_have_no_gap', e.business_id, format('%s events, %s pruned, newest %s', count(e.sequence), coalesce(s.pruned, 0), max(e.sequence))
  FROM events e LEFT JOIN event_sequences s ON s.business_id = e.business_id
 GROUP BY e.business_id, s.pruned HAVING count(e.sequence) + coalesce(s.pruned, 0) <> coalesce(max(e.sequence), 0)
$rules$;
END $books$;
