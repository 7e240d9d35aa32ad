-- A decision says itself what money it is about: in the place of a log that an endpoint invented another one comes to stand.

SET LOCAL lock_timeout = '5s';

ALTER TABLE settlements
    ADD COLUMN tx_hash       text COLLATE "C" CONSTRAINT settlements_tx_hash CHECK (tx_hash ~ '^0x[0-9a-f]{64}$'),
    ADD COLUMN token_address text COLLATE "C" CONSTRAINT settlements_token_address CHECK (token_address ~ '^0x[0-9a-f]{40}$'),
    ADD COLUMN from_address  text COLLATE "C" CONSTRAINT settlements_from_address CHECK (from_address ~ '^0x[0-9a-f]{40}$'),
    ADD COLUMN to_address    text COLLATE "C" CONSTRAINT settlements_to_address CHECK (to_address ~ '^0x[0-9a-f]{40}$'),
    -- NaN is more than every number.
    ADD COLUMN amount_units  numeric(78, 0) CONSTRAINT settlements_amount_units CHECK (amount_units >= 0 AND amount_units < 2::numeric ^ 256);

-- Whoever does not say what he has judged means what stands there.
CREATE FUNCTION settlements_money() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    SELECT t.tx_hash, t.token_address, t.from_address, t.to_address, t.amount_units
      INTO NEW.tx_hash, NEW.token_address, NEW.from_address, NEW.to_address, NEW.amount_units
      FROM transfers t WHERE t.network = NEW.network AND t.block_hash = NEW.block_hash AND t.log_index = NEW.log_index;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no such transfer'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'settlements_network_block_hash_log_index_fkey';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER settlements_money BEFORE INSERT ON settlements FOR EACH ROW
    WHEN (num_nonnulls(NEW.tx_hash, NEW.token_address, NEW.from_address, NEW.to_address, NEW.amount_units) = 0)
    EXECUTE FUNCTION settlements_money();

-- Of those that were asked for before this: the transfer for which it holds, what was booked by it, or the one in its place.
ALTER TABLE settlements DISABLE TRIGGER settlements_guard;
UPDATE settlements d
   SET (tx_hash, token_address, from_address, to_address, amount_units) = (
       SELECT m.tx_hash, m.token_address, m.from_address, m.to_address, m.units
         FROM (SELECT 1 AS choice, t.tx_hash, t.token_address, t.from_address, t.to_address, t.amount_units AS units
                 FROM transfers t WHERE t.settlement = d.id
               UNION ALL
               SELECT 2, l.tx_hash, l.token_address, l.from_address, l.to_address, abs(l.units) FROM ledger l WHERE l.settlement = d.id
               UNION ALL
               SELECT 3, t.tx_hash, t.token_address, t.from_address, t.to_address, t.amount_units
                 FROM transfers t WHERE t.network = d.network AND t.block_hash = d.block_hash AND t.log_index = d.log_index) m
        ORDER BY m.choice LIMIT 1);
ALTER TABLE settlements ENABLE TRIGGER settlements_guard;
ALTER TABLE settlements
    ALTER COLUMN tx_hash SET NOT NULL,
    ALTER COLUMN token_address SET NOT NULL,
    ALTER COLUMN from_address SET NOT NULL,
    ALTER COLUMN to_address SET NOT NULL,
    ALTER COLUMN amount_units SET NOT NULL;
COMMENT ON COLUMN settlements.tx_hash IS 'With token, sender, recipient and units: the money as it was judged. Where other money stands now, the decision is refused';

-- The books: a decision holds for the money that it is about, wherever that stands.
DO $books$
BEGIN
    EXECUTE 'CREATE OR REPLACE VIEW deposit_watcher_books (rule, subject, detail) AS SELECT b.rule, b.subject, b.detail FROM ('
        || rtrim(pg_get_viewdef('deposit_watcher_books'::regclass), ';') || $rules$) b
 WHERE b.rule <> 'settled_as_a_person_decided'
UNION ALL
SELECT 'settled_as_a_person_decided', t.network || ' ' || t.tx_hash || ' ' || t.log_index,
       format('%s, session %s, by settlement %s: %s %s %s', t.settled, t.session_id, t.settlement, d.kind, d.session_id, d.outcome)
  FROM transfers t
  LEFT JOIN settlements d ON d.id = t.settlement
 WHERE t.state <> 'ORPHANED' AND (t.settled IS NOT NULL OR t.settlement IS NOT NULL)
   AND (d.outcome IS DISTINCT FROM 'done' OR t.session_id IS DISTINCT FROM d.session_id
        OR t.settled IS DISTINCT FROM CASE d.kind WHEN 'assign' THEN 'assigned' WHEN 'ignore' THEN 'ignored' WHEN 'refund' THEN 'refunded' END
        OR (t.network, t.tx_hash, t.token_address, t.from_address, t.to_address, t.amount_units)
           IS DISTINCT FROM (d.network, d.tx_hash, d.token_address, d.from_address, d.to_address, d.amount_units)
        OR EXISTS (SELECT FROM settlements u WHERE u.undoes = d.id))
$rules$;
END $books$;
