-- What a person decides about money without an owner. A decision is asked for by a row, judged and carried out by the
-- network's holder under its fence, and undone by another one; the rows are the audit.

-- The references below wait for whoever writes sessions and transfers, and all others wait behind: not for long.
SET LOCAL lock_timeout = '5s';

CREATE TABLE settlements (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    network       text COLLATE "C" NOT NULL,
    -- The transfer as it stood when it was asked: in another block it is looked at anew.
    block_hash    text COLLATE "C" NOT NULL,
    log_index     bigint NOT NULL,
    kind          text NOT NULL CONSTRAINT settlements_kind CHECK (kind IN ('assign', 'ignore', 'refund', 'release')),
    session_id    text REFERENCES deposit_sessions,
    -- The transaction that sent the money back.
    refund_tx     text CONSTRAINT settlements_refund_tx CHECK (refund_tx ~ '^0x[0-9a-f]{64}$'),
    note          text NOT NULL CONSTRAINT settlements_note CHECK (length(btrim(note)) BETWEEN 1 AND 2000),
    database_user text NOT NULL DEFAULT session_user,
    -- As the machine of whoever asked calls him.
    os_user       text NOT NULL CONSTRAINT settlements_os_user CHECK (length(os_user) BETWEEN 1 AND 256),
    asked_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- What became of it: `nothing` where it was so already.
    answered_at   timestamptz,
    outcome       text CONSTRAINT settlements_outcome CHECK (outcome IN ('done', 'nothing', 'refused')),
    answer        text,
    -- Of a release: the decision that it took back.
    undoes        bigint CONSTRAINT settlements_undone_once UNIQUE REFERENCES settlements,
    FOREIGN KEY (network, block_hash, log_index) REFERENCES transfers,
    CONSTRAINT settlements_says_what CHECK ((kind = 'assign') = (session_id IS NOT NULL) AND (kind = 'refund') = (refund_tx IS NOT NULL)),
    CONSTRAINT settlements_answer CHECK (num_nulls(answered_at, outcome, answer) IN (0, 3)
        AND (undoes IS NOT NULL) = (kind = 'release' AND outcome IS NOT DISTINCT FROM 'done'))
);
CREATE INDEX settlements_asked ON settlements (network, id) WHERE outcome IS NULL;
CREATE INDEX settlements_transfer ON settlements (network, block_hash, log_index);
COMMENT ON TABLE settlements IS 'What persons decided about transfers: who, when, why, and what came of it. Append-only';

-- Who and when are the database's to say; an answer is the watcher's, once.
CREATE FUNCTION settlements_guard() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    allowed settlements;
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.database_user := session_user;
        NEW.asked_at := clock_timestamp();
        IF num_nonnulls(NEW.answered_at, NEW.outcome, NEW.answer, NEW.undoes) > 0 THEN
            RAISE EXCEPTION 'a decision is asked for; the watcher answers it'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'settlements_guard';
        END IF;
        RETURN NEW;
    END IF;
    allowed := OLD;
    IF OLD.outcome IS NULL AND deposit_watcher_is_writer() THEN
        allowed.answered_at := NEW.answered_at;
        allowed.outcome := NEW.outcome;
        allowed.answer := NEW.answer;
        allowed.undoes := NEW.undoes;
    END IF;
    IF NEW.* IS DISTINCT FROM allowed.* THEN
        RAISE EXCEPTION 'what was decided is never rewritten: undo it by a release'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'settlements_append_only';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER settlements_guard BEFORE INSERT OR UPDATE ON settlements FOR EACH ROW EXECUTE FUNCTION settlements_guard();
CREATE TRIGGER settlements_never_deleted BEFORE DELETE ON settlements FOR EACH ROW EXECUTE FUNCTION deposit_watcher_refuse();
CREATE TRIGGER settlements_never_truncated BEFORE TRUNCATE ON settlements FOR EACH STATEMENT EXECUTE FUNCTION deposit_watcher_refuse();

-- A decision is in force on one transfer: the row that names it. When that one's block left the chain, the decision waits
-- there for the transfer to come back.
ALTER TABLE transfers ADD COLUMN settlement bigint REFERENCES settlements,
    ADD CONSTRAINT transfers_settlement UNIQUE (settlement) DEFERRABLE INITIALLY IMMEDIATE,
    ADD CONSTRAINT transfers_settled_is_whole CHECK (state = 'ORPHANED' OR CASE settled
        WHEN 'assigned' THEN settlement IS NOT NULL AND session_id IS NOT NULL
        WHEN 'ignored' THEN settlement IS NOT NULL AND session_id IS NULL AND reason IS NOT NULL
        WHEN 'refunded' THEN settlement IS NOT NULL AND session_id IS NULL AND reason IS NOT NULL
        ELSE settlement IS NULL END);
CREATE INDEX transfers_assigned ON transfers (network, to_address, token_address) WHERE settled = 'assigned' AND state = 'SEEN';
CREATE INDEX transfers_homeless ON transfers (network, to_address, token_address) WHERE settlement IS NOT NULL AND state = 'ORPHANED';
COMMENT ON COLUMN transfers.settlement IS 'The decision of a person that holds for it. W';

-- Which decision a line is of: one that was made, or one that was undone.
ALTER TABLE ledger ADD COLUMN settlement bigint REFERENCES settlements;

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
        INSERT INTO ledger (kind, network, token_address, to_address, block_hash, log_index, tx_hash, session_id, units, amount, settlement)
        VALUES (CASE WHEN is_now THEN 'release' ELSE 'revert' END, OLD.network, OLD.token_address, OLD.to_address,
                OLD.block_hash, OLD.log_index, OLD.tx_hash, OLD.session_id, -OLD.amount_units, -OLD.amount, decision);
    END IF;
    IF is_now AND (NOT was OR OLD.session_id IS DISTINCT FROM NEW.session_id) THEN
        INSERT INTO ledger (kind, network, token_address, to_address, block_hash, log_index, tx_hash, session_id, units, amount, settlement)
        VALUES (CASE WHEN was THEN 'assign' ELSE 'confirm' END, NEW.network, NEW.token_address, NEW.to_address,
                NEW.block_hash, NEW.log_index, NEW.tx_hash, NEW.session_id, NEW.amount_units, NEW.amount, decision);
    END IF;
    RETURN NULL;
END $$;

-- A refund is booked when it is carried out, and taken back when it is released; the chain's ways do not touch it.
CREATE FUNCTION settlements_book() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    refund bigint := CASE WHEN NEW.kind = 'refund' THEN NEW.id ELSE NEW.undoes END;
BEGIN
    IF NEW.kind = 'release' AND NOT EXISTS (SELECT FROM settlements d WHERE d.id = NEW.undoes AND d.kind = 'refund') THEN
        RETURN NULL;
    END IF;
    INSERT INTO ledger (kind, network, token_address, to_address, block_hash, log_index, tx_hash, units, amount, settlement)
    SELECT 'refund', t.network, t.token_address, t.to_address, t.block_hash, t.log_index, t.tx_hash,
           CASE NEW.kind WHEN 'refund' THEN -t.amount_units ELSE t.amount_units END,
           CASE NEW.kind WHEN 'refund' THEN -t.amount ELSE t.amount END, refund
      FROM transfers t WHERE t.network = NEW.network AND t.block_hash = NEW.block_hash AND t.log_index = NEW.log_index;
    RETURN NULL;
END $$;
CREATE TRIGGER settlements_book AFTER UPDATE OF outcome ON settlements FOR EACH ROW
    WHEN (NEW.outcome = 'done' AND NEW.kind IN ('refund', 'release')) EXECUTE FUNCTION settlements_book();

-- At commit: what a person gave to a session lies where that one's money lies, and is counted in it.
CREATE FUNCTION transfers_settled_proof() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM FROM deposit_sessions s
      WHERE s.id = NEW.session_id AND s.network = NEW.network AND s.token_address = NEW.token_address AND s.to_address = NEW.to_address;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'transfer % % cannot be given to session %: another network, token or address', NEW.tx_hash, NEW.log_index, NEW.session_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'transfers_settled_proof';
    END IF;
    PERFORM deposit_watcher_prove(NEW.session_id);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER transfers_settled_proof AFTER UPDATE OF state, session_id, settled ON transfers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.settled = 'assigned' AND NEW.state <> 'ORPHANED')
    EXECUTE FUNCTION transfers_settled_proof();

-- Money that a person has settled is told to nobody as unmatched.
DROP TRIGGER transfers_tell_unmatched ON transfers;
CREATE TRIGGER transfers_tell_unmatched AFTER UPDATE OF state ON transfers FOR EACH ROW
    WHEN (NEW.state = 'CONFIRMED' AND OLD.state <> 'CONFIRMED' AND NEW.session_id IS NULL AND NEW.settled IS NULL
          AND NEW.reason NOT IN ('zero', 'self_transfer', 'internal'))
    EXECUTE FUNCTION transfers_tell_unmatched();

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'deposit_watcher_report') THEN
        GRANT SELECT ON settlements TO deposit_watcher_report;
    END IF;
END $$;

-- The books: what persons decided. All earlier rules stay as they are.
DO $books$
BEGIN
    EXECUTE 'CREATE OR REPLACE VIEW deposit_watcher_books (rule, subject, detail) AS '
        || rtrim(pg_get_viewdef('deposit_watcher_books'::regclass), ';') || $rules$
UNION ALL
SELECT 'settled_as_a_person_decided', t.network || ' ' || t.tx_hash || ' ' || t.log_index,
       format('%s, session %s, by settlement %s: %s %s %s', t.settled, t.session_id, t.settlement, d.kind, d.session_id, d.outcome)
  FROM transfers t
  LEFT JOIN settlements d ON d.id = t.settlement
  LEFT JOIN transfers o ON o.network = d.network AND o.block_hash = d.block_hash AND o.log_index = d.log_index
 WHERE t.state <> 'ORPHANED' AND (t.settled IS NOT NULL OR t.settlement IS NOT NULL)
   AND (d.outcome IS DISTINCT FROM 'done' OR t.session_id IS DISTINCT FROM d.session_id
        OR t.settled IS DISTINCT FROM CASE d.kind WHEN 'assign' THEN 'assigned' WHEN 'ignore' THEN 'ignored' WHEN 'refund' THEN 'refunded' END
        OR (t.network, t.tx_hash, t.token_address, t.from_address, t.to_address, t.amount_units)
           IS DISTINCT FROM (o.network, o.tx_hash, o.token_address, o.from_address, o.to_address, o.amount_units)
        OR EXISTS (SELECT FROM settlements u WHERE u.undoes = d.id))
UNION ALL
SELECT 'refunds_are_booked_once', 'settlement ' || coalesce(d.id, l.settlement), format('%s in the ledger', l.units)
  FROM (SELECT s.*, t.amount_units FROM settlements s
          JOIN transfers t ON t.network = s.network AND t.block_hash = s.block_hash AND t.log_index = s.log_index
         WHERE s.kind = 'refund' AND s.outcome = 'done') d
  FULL JOIN (SELECT settlement, sum(units) AS units FROM ledger WHERE kind = 'refund' GROUP BY settlement) l ON l.settlement = d.id
 WHERE l.units IS DISTINCT FROM CASE WHEN EXISTS (SELECT FROM settlements u WHERE u.undoes = d.id) THEN 0 ELSE -d.amount_units END
$rules$;
END $books$;
