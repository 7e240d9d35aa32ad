-- A session is judged by the tolerance that held when its first money was seen: another one in the configuration changes
-- nothing that was told, and nothing that is being paid.

SET LOCAL lock_timeout = '5s';

ALTER TABLE deposit_sessions ADD COLUMN tolerance numeric;
COMMENT ON COLUMN deposit_sessions.tolerance IS 'How much less than the amount is all of it, at most a hundredth: kept from the first money on. W';

-- Of before: the token's as it is now. What was paid with less, or not with more, was judged by an earlier one. Where all
-- is there, it decides nothing.
ALTER TABLE deposit_sessions DISABLE TRIGGER deposit_sessions_guard;
UPDATE deposit_sessions s
   SET tolerance = CASE
         WHEN s.payment_status = 'CONFIRMED' THEN greatest(k.tolerance, s.amount - s.confirmed_amount)
         WHEN s.payment_status = 'UNDERPAID' AND s.confirmed_amount >= s.amount - k.tolerance THEN 0
         ELSE k.tolerance END
  FROM (SELECT x.id, least(t.tolerance, trunc(x.amount * 0.01, t.decimals)) AS tolerance
          FROM deposit_sessions x JOIN tokens t ON t.network = x.network AND t.address = x.token_address
         WHERE x.received_amount > 0 AND x.received_amount < x.amount) k
 WHERE k.id = s.id;
ALTER TABLE deposit_sessions ENABLE TRIGGER deposit_sessions_guard;
ALTER TABLE deposit_sessions
    ADD CONSTRAINT deposit_sessions_tolerance CHECK (0 <= tolerance AND tolerance < amount) NOT VALID,
    ADD CONSTRAINT deposit_sessions_paid_in_full CHECK (CASE payment_status
        WHEN 'CONFIRMED' THEN confirmed_amount >= amount - tolerance
        WHEN 'UNDERPAID' THEN confirmed_amount < amount - tolerance
        ELSE true END) NOT VALID;

-- The same as before, but for the tolerance: a new session has none, and one with money always.
CREATE OR REPLACE FUNCTION deposit_sessions_guard() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
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
           OR num_nonnulls(NEW.tx_id, NEW.confirmed_at, NEW.closed_at, NEW.lost_at_block, NEW.unusable, NEW.examined_with, NEW.cancelled_at,
                          NEW.tolerance) > 0
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
        -- A watcher of the version before judges by the token's and does not say so.
        IF NEW.tolerance IS NULL AND NEW.received_amount > 0 THEN
            NEW.tolerance := (SELECT least(t.tolerance, trunc(NEW.amount * 0.01, t.decimals)) FROM tokens t
                               WHERE t.network = NEW.network AND t.address = OLD.token_address);
        END IF;
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
