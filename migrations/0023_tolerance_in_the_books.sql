-- What 0022 left for later, so that nobody waits for the table meanwhile.

SET LOCAL lock_timeout = '5s';

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

ALTER TABLE deposit_sessions
    VALIDATE CONSTRAINT deposit_sessions_tolerance,
    VALIDATE CONSTRAINT deposit_sessions_paid_in_full;
