-- Transfers to known addresses, matched or not, and the append-only ledger of what was confirmed.

CREATE TABLE transfers (
    network       text COLLATE "C" NOT NULL,
    block_hash    text COLLATE "C" NOT NULL,
    log_index     bigint NOT NULL CHECK (log_index >= 0),
    block_number  bigint NOT NULL,
    block_time    timestamptz NOT NULL,
    tx_hash       text COLLATE "C" NOT NULL CHECK (tx_hash ~ '^0x[0-9a-f]{64}$'),
    token_address text COLLATE "C" NOT NULL CHECK (token_address ~ '^0x[0-9a-f]{40}$'),
    from_address  text COLLATE "C" NOT NULL CHECK (from_address ~ '^0x[0-9a-f]{40}$'),
    to_address    text COLLATE "C" NOT NULL CHECK (to_address ~ '^0x[0-9a-f]{40}$'),
    amount_units  numeric(78, 0) NOT NULL CHECK (amount_units >= 0),
    amount        numeric NOT NULL,
    -- Of an orphaned row: the session it had.
    session_id    text REFERENCES deposit_sessions,
    -- The session it had before a reorganisation moved or removed its block.
    had_session   text,
    state         text NOT NULL CONSTRAINT transfers_state CHECK (state IN ('SEEN', 'CONFIRMED', 'ORPHANED')),
    reason        text CONSTRAINT transfers_reason CHECK (reason IN ('zero', 'self_transfer', 'internal', 'wrong_token',
        'wrong_network', 'invalid_session', 'early', 'cancelled', 'late', 'already_paid', 'ambiguous', 'dust', 'amount_mismatch')),
    -- What a person decided; such a transfer is never derived again.
    settled       text CHECK (settled IN ('assigned', 'ignored', 'refunded')),
    -- True once the second look agreed.
    verified      boolean NOT NULL DEFAULT false,
    -- The time that decides whether it is in time: its block's, or that of an earlier block it was seen in.
    paid_at       timestamptz NOT NULL,
    seen_at       timestamptz NOT NULL DEFAULT now(),
    confirmed_at  timestamptz,
    orphaned_at   timestamptz,
    PRIMARY KEY (network, block_hash, log_index),
    FOREIGN KEY (network, block_hash) REFERENCES blocks (network, hash),
    CONSTRAINT transfers_confirmed_is_verified CHECK (state <> 'CONFIRMED' OR (verified AND confirmed_at IS NOT NULL)),
    CONSTRAINT transfers_one_owner CHECK (session_id IS NULL OR state = 'ORPHANED' OR reason IS NULL)
);
CREATE INDEX transfers_destination ON transfers (network, to_address, token_address) WHERE state <> 'ORPHANED';
CREATE INDEX transfers_session ON transfers (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX transfers_seen ON transfers (network, block_number) WHERE state = 'SEEN';
CREATE INDEX transfers_by_number ON transfers (network, block_number);
CREATE INDEX transfers_orphaned ON transfers (network, to_address) WHERE state = 'ORPHANED';
CREATE INDEX transfers_by_tx ON transfers (network, tx_hash);
CREATE INDEX transfers_unmatched ON transfers (network, reason) WHERE reason IS NOT NULL AND state <> 'ORPHANED' AND settled IS NULL;
COMMENT ON TABLE transfers IS 'Every transfer of a configured token to an address that a session named, matched or not. Never deleted. W';
COMMENT ON COLUMN transfers.amount IS 'Whole tokens, exact';

-- Addresses whose transfers wait to be derived again because one of their sessions was held by another transaction.
CREATE TABLE pending_derivations (
    network       text NOT NULL,
    token_address text NOT NULL,
    to_address    text NOT NULL,
    since         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (network, token_address, to_address)
);

CREATE FUNCTION deposit_watcher_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never deleted or rewritten', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', CONSTRAINT = TG_TABLE_NAME || '_append_only';
END $$;
CREATE TRIGGER transfers_never_deleted BEFORE DELETE ON transfers FOR EACH ROW EXECUTE FUNCTION deposit_watcher_refuse();
CREATE TRIGGER transfers_never_truncated BEFORE TRUNCATE ON transfers FOR EACH STATEMENT EXECUTE FUNCTION deposit_watcher_refuse();

CREATE TABLE ledger (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    booked_at     timestamptz NOT NULL DEFAULT now(),
    kind          text NOT NULL CHECK (kind IN ('confirm', 'revert', 'assign', 'release', 'refund')),
    network       text NOT NULL,
    token_address text NOT NULL,
    to_address    text NOT NULL,
    block_hash    text NOT NULL,
    log_index     bigint NOT NULL,
    tx_hash       text NOT NULL,
    session_id    text,
    units         numeric(79, 0) NOT NULL,
    amount        numeric NOT NULL,
    FOREIGN KEY (network, block_hash, log_index) REFERENCES transfers
);
CREATE INDEX ledger_session ON ledger (session_id);
CREATE INDEX ledger_transfer ON ledger (network, block_hash, log_index);
COMMENT ON TABLE ledger IS 'Append-only: a line for each confirm, revert, assign, release and refund, signed, booked on its own day. W';
CREATE TRIGGER ledger_append_only BEFORE UPDATE OR DELETE ON ledger FOR EACH ROW EXECUTE FUNCTION deposit_watcher_refuse();
CREATE TRIGGER ledger_never_truncated BEFORE TRUNCATE ON ledger FOR EACH STATEMENT EXECUTE FUNCTION deposit_watcher_refuse();

-- What a transfer's change means for the books. A transfer is in the books while it is CONFIRMED.
CREATE FUNCTION transfers_book() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    was boolean := TG_OP = 'UPDATE' AND OLD.state = 'CONFIRMED';
    is_now boolean := NEW.state = 'CONFIRMED';
BEGIN
    IF was AND (NOT is_now OR OLD.session_id IS DISTINCT FROM NEW.session_id) THEN
        INSERT INTO ledger (kind, network, token_address, to_address, block_hash, log_index, tx_hash, session_id, units, amount)
        VALUES (CASE WHEN is_now THEN 'release' ELSE 'revert' END, OLD.network, OLD.token_address, OLD.to_address,
                OLD.block_hash, OLD.log_index, OLD.tx_hash, OLD.session_id, -OLD.amount_units, -OLD.amount);
    END IF;
    IF is_now AND (NOT was OR OLD.session_id IS DISTINCT FROM NEW.session_id) THEN
        INSERT INTO ledger (kind, network, token_address, to_address, block_hash, log_index, tx_hash, session_id, units, amount)
        VALUES (CASE WHEN was THEN 'assign' ELSE 'confirm' END, NEW.network, NEW.token_address, NEW.to_address,
                NEW.block_hash, NEW.log_index, NEW.tx_hash, NEW.session_id, NEW.amount_units, NEW.amount);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER transfers_book_insert AFTER INSERT ON transfers FOR EACH ROW
    WHEN (NEW.state = 'CONFIRMED') EXECUTE FUNCTION transfers_book();
CREATE TRIGGER transfers_book_update AFTER UPDATE OF state, session_id ON transfers FOR EACH ROW
    WHEN (OLD.state = 'CONFIRMED' OR NEW.state = 'CONFIRMED') EXECUTE FUNCTION transfers_book();

-- What must never be, refused at commit: sums that are not those of the transfers, paid sessions without money.
CREATE FUNCTION deposit_watcher_prove(session text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    s deposit_sessions;
    received numeric;
    confirmed numeric;
BEGIN
    SELECT * INTO s FROM deposit_sessions WHERE id = session;
    -- Its row was held by another transaction: it is derived as soon as that ends.
    PERFORM FROM pending_derivations p WHERE p.network = s.network AND p.token_address = s.token_address AND p.to_address = s.to_address;
    IF FOUND THEN
        RETURN;
    END IF;
    SELECT coalesce(sum(amount), 0), coalesce(sum(amount) FILTER (WHERE state = 'CONFIRMED'), 0) INTO received, confirmed
      FROM transfers WHERE session_id = session AND state <> 'ORPHANED';
    IF s.received_amount <> received OR s.confirmed_amount <> confirmed
       OR (s.payment_status IN ('CONFIRMED', 'OVERPAID', 'UNDERPAID') AND (confirmed = 0 OR confirmed <> received)) THEN
        RAISE EXCEPTION 'session % says % received and % confirmed (%), its transfers say % and %',
            session, s.received_amount, s.confirmed_amount, s.payment_status, received, confirmed
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'deposit_sessions_proof';
    END IF;
END $$;
CREATE FUNCTION deposit_sessions_proof() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM deposit_watcher_prove(NEW.id);
    RETURN NULL;
END $$;
CREATE FUNCTION transfers_proof() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM deposit_watcher_prove(OLD.session_id);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER deposit_sessions_proof AFTER UPDATE OF payment_status, received_amount, confirmed_amount ON deposit_sessions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.received_amount <> 0 OR NEW.payment_status IN ('CONFIRMED', 'OVERPAID', 'UNDERPAID'))
    EXECUTE FUNCTION deposit_sessions_proof();
CREATE CONSTRAINT TRIGGER transfers_proof AFTER UPDATE OF state, session_id ON transfers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.session_id IS NOT NULL AND (OLD.session_id IS DISTINCT FROM NEW.session_id OR OLD.state <> NEW.state AND NEW.state = 'ORPHANED'))
    EXECUTE FUNCTION transfers_proof();
