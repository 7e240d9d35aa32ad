-- What `reconcile` found: a row a run, never changed. Since when a token is followed, which decides what must be here.
-- And rules of the books that were only tested so far.

SET LOCAL lock_timeout = '5s';

-- Blocks below it were not asked for this token but by a rescan. Null: followed since the network began.
ALTER TABLE tokens ADD COLUMN followed_from bigint;
COMMENT ON COLUMN tokens.followed_from IS 'The first block that was read for it since it is followed; null: all of them';

CREATE FUNCTION tokens_followed_from() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.followed AND (TG_OP = 'INSERT' OR NOT OLD.followed) THEN
        NEW.followed_from := (SELECT n.scanned_number + 1 FROM networks n WHERE n.slug = NEW.network);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER tokens_followed_from BEFORE INSERT OR UPDATE OF followed ON tokens
    FOR EACH ROW EXECUTE FUNCTION tokens_followed_from();

CREATE TABLE reconciliations (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    network     text NOT NULL REFERENCES networks,
    from_block  bigint NOT NULL CHECK (from_block >= 0),
    to_block    bigint NOT NULL CONSTRAINT reconciliations_range CHECK (to_block >= from_block),
    -- Address of the one token it compared; null for all that are configured.
    token       text CHECK (token ~ '^0x[0-9a-f]{40}$'),
    balances    boolean NOT NULL,
    -- Key of the endpoint that was asked.
    endpoint    text NOT NULL,
    transfers   bigint NOT NULL CHECK (transfers >= 0),
    differences bigint NOT NULL CHECK (differences >= 0),
    -- The differences, the first of them where they are very many.
    found       jsonb NOT NULL,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT now(),
    asked_by    text NOT NULL DEFAULT session_user
);
CREATE INDEX reconciliations_network ON reconciliations (network, id);
COMMENT ON TABLE reconciliations IS 'Append-only: what each run of `reconcile` compared and how many differences it found';
CREATE TRIGGER reconciliations_append_only BEFORE UPDATE OR DELETE ON reconciliations FOR EACH ROW EXECUTE FUNCTION deposit_watcher_refuse();
CREATE TRIGGER reconciliations_never_truncated BEFORE TRUNCATE ON reconciliations FOR EACH STATEMENT EXECUTE FUNCTION deposit_watcher_refuse();

-- A run's differences stand until a later run that compared as much, or more, says otherwise.
CREATE VIEW reconciliations_standing AS
SELECT r.* FROM reconciliations r
 WHERE NOT EXISTS (SELECT FROM reconciliations l
                    WHERE l.network = r.network AND l.id > r.id AND l.from_block <= r.from_block AND l.to_block >= r.to_block
                      AND (l.token IS NULL OR l.token = r.token) AND (l.balances OR NOT r.balances));
COMMENT ON VIEW reconciliations_standing IS 'Of the runs of `reconcile` those that no later one covers';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'deposit_watcher_report') THEN
        GRANT SELECT ON reconciliations, reconciliations_standing TO deposit_watcher_report;
    END IF;
END $$;

-- The books: exact amounts, a ledger that takes back only what it holds, each change told once. All earlier rules stay.
DO $books$
BEGIN
    EXECUTE 'CREATE OR REPLACE VIEW deposit_watcher_books (rule, subject, detail) AS '
        || rtrim(pg_get_viewdef('deposit_watcher_books'::regclass), ';') || $rules$
UNION ALL
SELECT 'transfer_amounts_are_exact', t.network || ' ' || t.tx_hash || ' ' || t.log_index, format('%s base units are not %s', t.amount_units, t.amount)
  FROM transfers t JOIN tokens k ON k.network = t.network AND k.address = t.token_address
 WHERE t.amount * power(10::numeric, k.decimals::numeric) <> t.amount_units
UNION ALL
SELECT 'ledger_amounts_are_exact', 'ledger ' || l.id, format('%s base units are not %s', l.units, l.amount)
  FROM ledger l JOIN tokens k ON k.network = l.network AND k.address = l.token_address
 WHERE l.amount * power(10::numeric, k.decimals::numeric) <> l.units
UNION ALL
SELECT 'ledger_lines_have_their_sign', 'ledger ' || l.id, format('%s of %s', l.kind, l.units)
  FROM ledger l
 WHERE l.kind IN ('confirm', 'assign') AND l.units < 0 OR l.kind IN ('revert', 'release') AND l.units > 0
UNION ALL
-- At no line it holds less than nothing of a transfer, or more than that moved: every revert reverses an earlier confirm.
SELECT 'ledger_reverses_only_what_it_holds', 'ledger ' || h.id, format('%s held of %s', h.held, h.amount_units)
  FROM (SELECT l.id, t.amount_units,
               sum(l.units) OVER (PARTITION BY l.network, l.block_hash, l.log_index ORDER BY l.id) AS held
          FROM ledger l JOIN transfers t ON t.network = l.network AND t.block_hash = l.block_hash AND t.log_index = l.log_index
         WHERE l.kind <> 'refund') h
 WHERE h.held < 0 OR h.held > h.amount_units
UNION ALL
-- A transaction is on a chain once.
SELECT 'transaction_is_confirmed_in_one_block', t.network || ' ' || t.tx_hash, format('in %s blocks', count(DISTINCT t.block_hash))
  FROM transfers t WHERE t.state = 'CONFIRMED' GROUP BY t.network, t.tx_hash HAVING count(DISTINCT t.block_hash) > 1
UNION ALL
SELECT 'no_change_is_told_twice', e.session_id, format('%s %s', e.type, e.id)
  FROM (SELECT e.id, e.session_id, e.type, e.said, lag(e.type) OVER w AS type_before, lag(e.said) OVER w AS said_before
          FROM (SELECT e.id, e.session_id, e.type, e.position,
                       ARRAY[e.data ->> 'status', e.data ->> 'final', e.data ->> 'txHash', e.data ->> 'receivedAmount',
                             e.data ->> 'confirmedAmount'] AS said
                  FROM events e WHERE e.session_id IS NOT NULL) e
        WINDOW w AS (PARTITION BY e.session_id ORDER BY e.position)) e
 WHERE e.type = e.type_before AND e.said IS NOT DISTINCT FROM e.said_before
UNION ALL
-- Money that left while its session's row was held, and other money in its place, may come as one change: then it is still paid.
SELECT 'reverts_were_told', s.id, format('%s, and was told as paid', s.payment_status)
  FROM deposit_sessions s
 WHERE s.payment_status NOT IN ('CONFIRMED', 'OVERPAID')
   AND EXISTS (SELECT FROM events e WHERE e.session_id = s.id AND e.type IN ('deposit.confirmed', 'deposit.overpaid'))
   AND NOT EXISTS (SELECT FROM events e WHERE e.session_id = s.id AND e.type = 'deposit.reverted')
UNION ALL
SELECT 'payment_stays_in_its_business', p.business_id || ' ' || p.deposit_id, format('session %s of %s', s.id, s.business_id)
  FROM payments p JOIN deposit_sessions s ON s.id = p.session_id
 WHERE p.business_id <> coalesce(s.business_id, 'default')
$rules$;
END $books$;
