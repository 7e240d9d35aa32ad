# What the payment page says, in English. fr.ftl has the same keys.

## Around every page
title = Payment
in-english = English
in-french = Français
language = Language
trust = This page never asks for your recovery phrase, private key or password.
testnet = Test network: no real money
testnet-short = test network
back-to = Back to
connection-lost = Connection lost. Trying again…
connection-back = Connected again.
update = Update this page
updates-itself = This page updates by itself every fifteen seconds.

## What is paid
amount-due = Amount to pay
amount-rest = Still to pay
network-on = on
payee = Payee
reason = For
statement = Statement text
reference = Reference
details = Details
token-contract = Token contract
network = Network
chain-id = chain { $id }
amount-plain = To copy:
nudged = Please send exactly this amount: its last digits tell your payment apart from others.
clock = { $clock } UTC
moment =
    { $day } { $month ->
        [1] January
        [2] February
        [3] March
        [4] April
        [5] May
        [6] June
        [7] July
        [8] August
        [9] September
        [10] October
        [11] November
       *[12] December
    } { $year }, { $clock } UTC

## Choosing
choose-title = Choose how to pay
choose-offer = Network and token
choose-amount = Amount
choose-amount-between = Between { $least } and { $most }.
choose-amount-least = At least { $least }.
choose-amount-most = At most { $most }.
choose-amount-hint = Digits and a point, such as 25.50.
choose-only-this = Send on this network only. Money that is sent on another network may be lost.
choose-go = Continue to payment
choose-until = Please choose before
choose-none = There is no way to pay at the moment. Contact the shop and quote the reference.
fault-title = Please check your entries
fault-choice = Choose one of the networks that are listed.
fault-amount = Enter an amount within the limits, in digits, with at most two behind the point.
fault-clash = Another payment of exactly this amount is under way. Please try again in a few minutes, or take another way to pay.

## Waiting
waiting-state = Waiting for your payment
waiting-vanished-title = Your transaction left the network
waiting-vanished = We had seen a payment that is no longer on the network. Look into your wallet before you pay again: it often sends the payment again by itself.
waiting-over-state = The time is over
waiting-over = We are checking whether a payment arrived at the last moment. Please do not send anything now.
waiting-unavailable = This payment cannot be shown to wallets at the moment. The address and the amount are right.
pay-before = Pay before
time-left = Time left:
one-minute = Less than a minute is left.
address = Send to this address
address-only = Send { $symbol } on { $network } only. Money that is sent on another network, or as another token, may be lost.
copy-amount = Copy amount
copy-address = Copy address
copied = Copied
copy-failed = Please select and copy the text yourself.
code = QR code
code-of-address = Address
code-of-link = Payment link
code-address-hint = Holds the address alone. Enter the amount in your wallet.
code-link-hint = Holds address, token and amount, for wallets that read payment links.
code-link-warning = Some wallets misread such links and send the money to the token contract, where it is lost. Before you confirm, check that the recipient is the address on this page.
open-wallet = Open in a wallet app
browser-wallet = Pay with a wallet in this browser
browser-wallet-with = Pay with
wallet-asking = Please confirm in your wallet.
wallet-sent = Sent by your wallet. This page shows it as soon as the network has it.
wallet-declined = You declined the request in your wallet. Nothing was sent.
wallet-network = Your wallet does not know this network. Add it there, then try again.
wallet-failed = Your wallet reports an error. Look in it whether a payment was sent before you try again.

## Giving up
cancel = Cancel this payment
cancel-sure = Really cancel? Do not cancel if you have already sent money.
cancel-yes = Yes, cancel

## Seen
seen-state = Payment seen, not yet confirmed
seen-title = We see your payment
seen-wait = You need not do anything. You may close this page: the shop is told when the payment is confirmed.
seen-confirmations =
    { $needed ->
        [one] { $done } of { $needed } confirmation
       *[other] { $done } of { $needed } confirmations
    }
seen-finalising = Being finalised by the network
seen-received = Seen so far
seen-of = of
seen-short = Less has been seen than was asked for. If it stays so, this page will show how to pay the rest.
transaction = Transaction

## Too little
underpaid-state = Part of the amount is missing
underpaid-received = Confirmed so far:
underpaid-how = Please send the rest, in one payment, to the same address.

## Paid
paid-state = Paid
paid-title = Thank you. Your payment is confirmed.
paid-amount = Asked for
paid-received = Received
paid-at = Confirmed
overpaid-state = Paid, more than asked for
overpaid-title = Thank you. Your payment is confirmed, and you paid more than was asked for.
overpaid-excess = Overpaid by:
overpaid-how = The shop decides about a refund. Please contact it and quote the reference.
print = Print receipt
return-soon = Back to the shop in
return-seconds = { $seconds } s
return-stay = Stay here

## Over
expired-state = Expired
expired-title = The time for this payment is over
expired-text = No payment arrived in time. The address is no longer shown: please do not send anything any more.
expired-again = To pay, go back to the shop and begin again.
expired-sent = Have you sent money already? Contact the shop and quote the reference.
short-state = Too little arrived in time
short-title = The time is over, and part of the amount is missing
short-text = Please do not send anything more. Contact the shop and quote the reference: it decides what happens to the money it received.
short-received = Received
short-asked = Asked for
cancelled-state = Cancelled
cancelled-title = This payment was cancelled
cancelled-text = Nothing was paid. The address is no longer shown: please do not send anything.

## Reverted
reverted-state = No longer confirmed
reverted-title = Your payment was confirmed, and no longer is
reverted-text = Either its transaction has left the network, or the shop has corrected which payment the money is for.
reverted-again = A transaction for this payment is on the network and is being confirmed. You need not do anything.
reverted-wait = Do not pay again before you have looked into your wallet: a payment that has left the network it often sends again by itself. If it shows the payment as done, or if in doubt, contact the shop and quote the reference.
reverted-pay = My wallet shows that the payment failed: pay again

## Test tools
tools = Test tools
tools-text = Only on test networks. They send play money from the test node's own accounts.
tools-pay = Pay
tools-exact = exactly
tools-less = less
tools-more = more
tools-twice = twice
tools-late = late
tools-chain = The chain
tools-mine = Mine
tools-blocks = blocks
tools-reorganise = Undo the newest payment (reorganisation)

## When there is no such page
none-title = This payment link is not known
none-text = Check that you have opened the whole link, or go back to the shop and begin again.
gone-title = This payment link has expired
gone-text = It was not opened in time. Go back to the shop and begin again.
many-title = Too many requests
many-text = Please wait a moment, then open the link again.
away-title = This page cannot be shown right now
away-text = What you have paid is not lost: payments are read from the network. Please try again in a moment.
wrong-title = That did not work
wrong-text = The request could not be understood. Open the payment link again.
over-title = That is no longer possible
over-text = The payment has gone on in the meantime. Open the payment link again to see how it stands.
