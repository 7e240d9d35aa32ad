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
    ADD CONSTRAINT deposit_sessions_tolerance CHECK (0 <= tolerance AND tolerance < amount),
    ADD CONSTRAINT deposit_sessions_paid_in_full CHECK (CASE payment_status
        WHEN 'CONFIRMED' THEN confirmed_amount >= amount - tolerance
        WHEN 'UNDERPAID' THEN confirmed_amount < amount - tolerance
        ELSE true END);

-- The same as before; a new session has none.
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

-- The books: a status agrees with its session's own tolerance. All other rules stay as they are.
DO $books$
BEGIN
    EXECUTE 'CREATE OR REPLACE VIEW deposit_watcher_books (rule, subject, detail) AS SELECT b.rule, b.subject, b.detail FROM ('
        || rtrim(pg_get_viewdef('deposit_watcher_books'::regclass), ';') || $rules$) b
 WHERE b.rule <> 'status_agrees_with_sums'
UNION ALL
SELECT 'status_agrees_with_sums', s.id, format('%s with %s received, %s confirmed of %s', s.payment_status, s.received_amount, s.confirmed_amount, s.amount)
  FROM deposit_sessions s
  LEFT JOIN tokens k ON k.network = s.network AND k.address = s.token_address
 CROSS JOIN LATERAL (SELECT s.amount - coalesce(s.tolerance, least(coalesce(k.tolerance, 0), s.amount * 0.01)) AS least_paid) due
 WHERE s.payment_status IS DISTINCT FROM CASE
         WHEN s.received_amount = 0 AND s.payment_status IN ('CREATED', 'PENDING', 'EXPIRED') AND s.tx_id IS NULL THEN s.payment_status
         WHEN s.received_amount = 0 THEN 'CREATED'
         WHEN s.received_amount <> s.confirmed_amount THEN 'PENDING'
         WHEN s.confirmed_amount > s.amount THEN 'OVERPAID'
         WHEN s.confirmed_amount >= due.least_paid THEN 'CONFIRMED'
         ELSE 'UNDERPAID' END
$rules$;
END $books$;
