-- Deposit sessions: the contract with every API that shares this database.

CREATE TABLE deposit_sessions (
    id                 text PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 128),
    widget_id          text,
    business_id        text,
    payment_status     text NOT NULL DEFAULT 'CREATED' CONSTRAINT deposit_sessions_status
        CHECK (payment_status IN ('CREATED', 'PENDING', 'CONFIRMED', 'EXPIRED', 'UNDERPAID', 'OVERPAID')),
    amount             numeric NOT NULL CONSTRAINT deposit_sessions_amount CHECK (amount > 0 AND amount < 'Infinity'),
    requested_amount   numeric,
    currency           text NOT NULL,
    network            text COLLATE "C" NOT NULL,
    currency_address   text NOT NULL,
    deposit_address    text NOT NULL,
    customer_email     text,
    customer_reference text,
    metadata           jsonb,
    opened_by          text NOT NULL DEFAULT 'server' CHECK (opened_by IN ('server', 'widget')),
    received_amount    numeric NOT NULL DEFAULT 0,
    confirmed_amount   numeric NOT NULL DEFAULT 0,
    tx_id              text,
    created_at         timestamptz NOT NULL DEFAULT now(),
    accepted_at        timestamptz NOT NULL DEFAULT now(),
    expires_at         timestamptz NOT NULL DEFAULT now() + interval '30 minutes',
    cancelled_at       timestamptz,
    confirmed_at       timestamptz,
    updated_at         timestamptz NOT NULL DEFAULT now(),
    -- When it stopped waiting for money; null while it still does.
    closed_at          timestamptz,
    -- How much of expires_at a part payment added; derived with the assignments.
    topup_seconds      bigint NOT NULL DEFAULT 0,
    -- The cursor at which a reorganisation took its last transfer: it does not expire at once.
    lost_at_block      bigint,
    -- Why the watcher cannot use it, as examined with the configuration of this digest.
    unusable           text,
    examined_with      text,
    token_address      text COLLATE "C" GENERATED ALWAYS AS (lower(currency_address)) STORED,
    to_address         text COLLATE "C" GENERATED ALWAYS AS (lower(deposit_address)) STORED,
    CONSTRAINT deposit_sessions_paid_is_closed
        CHECK (payment_status NOT IN ('CONFIRMED', 'OVERPAID', 'EXPIRED') OR closed_at IS NOT NULL),
    CONSTRAINT deposit_sessions_confirmed_at
        CHECK ((confirmed_at IS NOT NULL) = (payment_status IN ('CONFIRMED', 'OVERPAID'))),
    CONSTRAINT deposit_sessions_sums CHECK (0 <= confirmed_amount AND confirmed_amount <= received_amount)
);
CREATE INDEX deposit_sessions_destination ON deposit_sessions (to_address, network, expires_at, token_address);
CREATE INDEX deposit_sessions_open_destination ON deposit_sessions (to_address, network, token_address) WHERE closed_at IS NULL;
CREATE INDEX deposit_sessions_expiry ON deposit_sessions (network, expires_at);
CREATE INDEX deposit_sessions_expiring ON deposit_sessions (network, expires_at) WHERE closed_at IS NULL;
CREATE INDEX deposit_sessions_cancelled ON deposit_sessions (network) WHERE closed_at IS NULL AND cancelled_at IS NOT NULL;
CREATE INDEX deposit_sessions_unexamined ON deposit_sessions (id) WHERE examined_with IS NULL;
CREATE INDEX deposit_sessions_unusable ON deposit_sessions (unusable) WHERE unusable IS NOT NULL AND closed_at IS NULL;
CREATE INDEX deposit_sessions_by_status ON deposit_sessions (network, payment_status);
COMMENT ON TABLE deposit_sessions IS 'Expected deposits. An outside API inserts rows and reads them back; see README for what it may write.';
COMMENT ON COLUMN deposit_sessions.amount IS 'Whole tokens, as asked, never rounded';
COMMENT ON COLUMN deposit_sessions.received_amount IS 'Sum of canonical transfers assigned, seen ones included: no proof of payment. W';
COMMENT ON COLUMN deposit_sessions.confirmed_amount IS 'Sum of confirmed transfers assigned. W';
COMMENT ON COLUMN deposit_sessions.tx_id IS 'The newest canonical transfer assigned. W';
COMMENT ON COLUMN deposit_sessions.confirmed_at IS 'Database time of the commit that made it CONFIRMED or OVERPAID. W';

-- The watcher marks its transactions with a local setting. This keeps honest programs from mistakes; the columns an
-- outside API can touch at all are limited by its role.
CREATE FUNCTION deposit_watcher_is_writer() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce(current_setting('deposit_watcher.writer', true), '') = 'on'
$$;

CREATE FUNCTION deposit_sessions_guard() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    allowed deposit_sessions;
BEGIN
    IF TG_OP <> 'DELETE' AND (TG_OP = 'INSERT' OR NOT deposit_watcher_is_writer())
       AND (least(NEW.created_at, NEW.expires_at, NEW.cancelled_at) < '1970-01-01 00:00+00'
            OR greatest(NEW.created_at, NEW.expires_at, NEW.cancelled_at) >= '10000-01-01 00:00+00') THEN
        RAISE EXCEPTION 'times of a session lie between the years 1970 and 9999; for one that never expires write a far one of these'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'deposit_sessions_guard';
    END IF;
    IF TG_OP = 'INSERT' THEN
        NEW.accepted_at := clock_timestamp();
        NEW.updated_at := NEW.accepted_at;
        IF NEW.payment_status NOT IN ('CREATED', 'PENDING') OR NEW.received_amount <> 0 OR NEW.confirmed_amount <> 0
           OR num_nonnulls(NEW.tx_id, NEW.confirmed_at, NEW.closed_at, NEW.lost_at_block, NEW.unusable, NEW.examined_with, NEW.cancelled_at) > 0
           OR NEW.topup_seconds <> 0 THEN
            RAISE EXCEPTION 'a new session is CREATED or PENDING, with nothing received and not cancelled'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'deposit_sessions_guard';
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'deposit sessions are not deleted; cancel session % by setting cancelled_at', OLD.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'deposit_sessions_guard';
    END IF;
    IF deposit_watcher_is_writer() THEN
        IF NEW.* IS DISTINCT FROM OLD.* AND NEW.examined_with IS NOT DISTINCT FROM OLD.examined_with THEN
            NEW.updated_at := clock_timestamp();
        END IF;
        RETURN NEW;
    END IF;
    -- Build the row as it may become, then demand that it is that row.
    allowed := OLD;
    IF OLD.closed_at IS NULL THEN
        IF OLD.payment_status = 'CREATED' AND NEW.payment_status = 'PENDING' THEN
            allowed.payment_status := 'PENDING';
        END IF;
        IF OLD.cancelled_at IS NULL THEN
            allowed.cancelled_at := NEW.cancelled_at;
        END IF;
        allowed.expires_at := NEW.expires_at;
        allowed.customer_email := NEW.customer_email;
        allowed.customer_reference := NEW.customer_reference;
        allowed.metadata := NEW.metadata;
    END IF;
    allowed.updated_at := NEW.updated_at;
    allowed.token_address := NEW.token_address;
    allowed.to_address := NEW.to_address;
    IF NEW.* IS DISTINCT FROM allowed.* THEN
        RAISE EXCEPTION 'session % cannot be changed like this: from outside only CREATED to PENDING, cancelled_at, expires_at, customer fields and metadata, while it is open', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'deposit_sessions_guard';
    END IF;
    IF NEW.cancelled_at IS NOT NULL AND OLD.cancelled_at IS NULL AND OLD.received_amount = 0 THEN
        NEW.payment_status := 'EXPIRED';
        NEW.closed_at := clock_timestamp();
    END IF;
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER deposit_sessions_guard BEFORE INSERT OR UPDATE OR DELETE ON deposit_sessions
    FOR EACH ROW EXECUTE FUNCTION deposit_sessions_guard();
