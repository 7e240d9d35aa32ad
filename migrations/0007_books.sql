-- The books: what must always be true, as one view that returns no row. `check --books` reads it.

CREATE VIEW deposit_watcher_books (rule, subject, detail) AS
-- Every canonical transfer is assigned, or unmatched with a reason, or settled by a person: exactly one of them.
SELECT 'transfer_has_one_owner', t.network || ' ' || t.tx_hash || ' ' || t.log_index,
       format('session %s, reason %s, settled %s', t.session_id, t.reason, t.settled)
  FROM transfers t
 WHERE t.state <> 'ORPHANED' AND NOT EXISTS (SELECT FROM pending_derivations p
        WHERE p.network = t.network AND p.token_address = t.token_address AND p.to_address = t.to_address)
   AND CASE WHEN t.settled IN ('ignored', 'refunded') THEN t.session_id IS NOT NULL ELSE num_nonnulls(t.session_id, t.reason) <> 1 END
UNION ALL
SELECT 'session_sums', s.id, format('received %s of %s, confirmed %s of %s', s.received_amount, sums.received, s.confirmed_amount, sums.confirmed)
  FROM deposit_sessions s
 CROSS JOIN LATERAL (SELECT coalesce(sum(t.amount), 0) AS received, coalesce(sum(t.amount) FILTER (WHERE t.state = 'CONFIRMED'), 0) AS confirmed
                       FROM transfers t WHERE t.session_id = s.id AND t.state <> 'ORPHANED') sums
 WHERE (s.received_amount <> sums.received OR s.confirmed_amount <> sums.confirmed)
   AND NOT EXISTS (SELECT FROM pending_derivations p
        WHERE p.network = s.network AND p.token_address = s.token_address AND p.to_address = s.to_address)
UNION ALL
SELECT 'status_agrees_with_sums', s.id, format('%s with %s received, %s confirmed of %s', s.payment_status, s.received_amount, s.confirmed_amount, s.amount)
  FROM deposit_sessions s
  LEFT JOIN tokens k ON k.network = s.network AND k.address = s.token_address
 CROSS JOIN LATERAL (SELECT s.amount - least(coalesce(k.tolerance, 0), s.amount / 100) AS least_paid) due
 WHERE s.payment_status IS DISTINCT FROM CASE
         WHEN s.received_amount = 0 AND s.payment_status IN ('CREATED', 'PENDING', 'EXPIRED') AND s.tx_id IS NULL THEN s.payment_status
         WHEN s.received_amount = 0 THEN 'CREATED'
         WHEN s.received_amount <> s.confirmed_amount THEN 'PENDING'
         WHEN s.confirmed_amount > s.amount THEN 'OVERPAID'
         WHEN s.confirmed_amount >= due.least_paid THEN 'CONFIRMED'
         ELSE 'UNDERPAID' END
UNION ALL
SELECT 'session_names_its_newest_transfer', s.id, format('tx_id %s, newest %s', s.tx_id, newest.tx_hash)
  FROM deposit_sessions s
  LEFT JOIN LATERAL (SELECT t.tx_hash FROM transfers t WHERE t.session_id = s.id AND t.state <> 'ORPHANED'
                      ORDER BY t.block_number DESC, t.log_index DESC LIMIT 1) newest ON true
 WHERE s.tx_id IS DISTINCT FROM newest.tx_hash
UNION ALL
SELECT 'transfer_stays_where_it_was_sent', s.id, t.tx_hash
  FROM transfers t JOIN deposit_sessions s ON s.id = t.session_id
 WHERE t.state <> 'ORPHANED' AND (s.network, s.token_address, s.to_address) IS DISTINCT FROM (t.network, t.token_address, t.to_address)
UNION ALL
SELECT 'confirmed_was_looked_at_twice', t.network || ' ' || t.tx_hash, format('block %s', t.block_number)
  FROM transfers t JOIN blocks b ON b.network = t.network AND b.hash = t.block_hash JOIN networks n ON n.slug = t.network
 WHERE t.state = 'CONFIRMED' AND NOT (t.verified AND b.canonical AND b.number = t.block_number
        AND (t.block_number <= n.confirmed_number
             OR EXISTS (SELECT FROM rescans r WHERE r.network = t.network AND t.block_number BETWEEN r.from_block AND r.to_block)))
UNION ALL
SELECT 'transfer_shares_its_blocks_fate', t.network || ' ' || t.tx_hash, format('%s in block %s', t.state, t.block_number)
  FROM transfers t JOIN blocks b ON b.network = t.network AND b.hash = t.block_hash
 WHERE NOT b.canonical AND t.state <> 'ORPHANED'
UNION ALL
SELECT 'cursor_is_the_newest_canonical_block', n.slug, format('cursor %s (%s)', n.scanned_number, n.scanned_hash)
  FROM networks n
 WHERE n.scanned_number IS NOT NULL
   AND (SELECT b.hash FROM blocks b WHERE b.network = n.slug AND b.canonical ORDER BY b.number DESC LIMIT 1) IS DISTINCT FROM n.scanned_hash
UNION ALL
SELECT 'blocks_follow_their_parents', b.network, format('block %s (%s)', b.number, b.hash)
  FROM blocks b JOIN blocks p ON p.network = b.network AND p.number = b.number - 1 AND p.canonical
 WHERE b.canonical AND b.parent_hash <> p.hash
UNION ALL
-- Every change has its event: the newest one of a session says what the session says.
SELECT 'newest_event_tells_the_session', s.id, format('event says %s', e.data ->> 'status')
  FROM deposit_sessions s
  LEFT JOIN LATERAL (SELECT e.data FROM events e WHERE e.session_id = s.id ORDER BY e.position DESC LIMIT 1) e ON true
 WHERE (e.data ->> 'status', e.data ->> 'txHash', (e.data ->> 'receivedAmount')::numeric)
       IS DISTINCT FROM (s.payment_status, s.tx_id, s.received_amount)
UNION ALL
-- Every revert reverses an earlier confirm, and what is in the books is what is confirmed.
SELECT 'ledger_holds_each_confirmed_transfer_once', t.network || ' ' || t.tx_hash || ' ' || t.log_index, format('%s in the ledger', l.units)
  FROM transfers t
  JOIN LATERAL (SELECT coalesce(sum(l.units), 0) AS units FROM ledger l
                 WHERE l.network = t.network AND l.block_hash = t.block_hash AND l.log_index = t.log_index AND l.kind <> 'refund') l ON true
 WHERE l.units <> CASE t.state WHEN 'CONFIRMED' THEN t.amount_units ELSE 0 END
UNION ALL
SELECT 'ledger_sums_to_sessions', s.id, format('%s in the ledger, %s confirmed', l.amount, s.confirmed_amount)
  FROM deposit_sessions s
  JOIN LATERAL (SELECT coalesce(sum(l.amount), 0) AS amount FROM ledger l WHERE l.session_id = s.id AND l.kind <> 'refund') l ON true
 WHERE l.amount <> s.confirmed_amount
UNION ALL
-- Told as confirmed as often as it became so: one confirm or overpay more than there were reverts and top-ups since.
SELECT 'paid_sessions_were_told', s.id, s.payment_status
  FROM deposit_sessions s
 WHERE s.payment_status IN ('CONFIRMED', 'OVERPAID')
   AND NOT EXISTS (SELECT FROM events e WHERE e.session_id = s.id AND e.type = 'deposit.' || lower(s.payment_status))
UNION ALL
SELECT 'sequences_have_no_gap', e.business_id, format('%s events, newest %s', count(e.sequence), max(e.sequence))
  FROM events e GROUP BY e.business_id HAVING count(e.sequence) <> coalesce(max(e.sequence), 0)
UNION ALL
SELECT 'transfer_stays_in_its_business', t.network || ' ' || t.tx_hash, format('event of %s, session of %s', e.business_id, s.business_id)
  FROM events e JOIN deposit_sessions s ON s.id = e.session_id JOIN transfers t ON t.session_id = s.id AND t.tx_hash = e.tx_hash
 WHERE e.business_id <> coalesce(s.business_id, 'default');
