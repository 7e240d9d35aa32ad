# Ce que dit la page de paiement, en français. en.ftl a les mêmes clés.

## Autour de chaque page
title = Paiement
in-english = English
in-french = Français
language = Langue
trust = Cette page ne vous demandera jamais de phrase de récupération, de clé privée ni de mot de passe.
testnet = Réseau de test : pas d’argent réel
testnet-short = réseau de test
back-to = Retour à
connection-lost = Connexion perdue. Reconnexion en cours…
connection-back = Connexion rétablie.
update = Actualiser cette page
updates-itself = Cette page s’actualise d’elle-même toutes les quinze secondes.

## Ce qui est payé
amount-due = Montant à payer
amount-rest = Reste à payer
network-on = sur
payee = Bénéficiaire
reason = Motif
statement = Libellé
reference = Référence
details = Détails
token-contract = Contrat du jeton
network = Réseau
chain-id = chaîne { $id }
amount-plain = À copier :
nudged = Envoyez exactement ce montant : ses derniers chiffres distinguent votre paiement des autres.
clock = { $clock } UTC
moment =
    { $day ->
        [1] 1er
       *[other] { $day }
    } { $month ->
        [1] janvier
        [2] février
        [3] mars
        [4] avril
        [5] mai
        [6] juin
        [7] juillet
        [8] août
        [9] septembre
        [10] octobre
        [11] novembre
       *[12] décembre
    } { $year } à { $clock } UTC

## Choisir
choose-title = Choisissez comment payer
choose-offer = Réseau et jeton
choose-amount = Montant
choose-amount-between = Entre { $least } et { $most }.
choose-amount-least = Au moins { $least }.
choose-amount-most = Au plus { $most }.
choose-amount-hint = Des chiffres et une virgule, par exemple 25,50.
choose-only-this = Envoyez uniquement sur ce réseau. L’argent envoyé sur un autre réseau peut être perdu.
choose-go = Continuer vers le paiement
choose-until = Choisissez avant
choose-none = Il n’y a aucun moyen de payer pour le moment. Contactez la boutique en indiquant la référence.
fault-title = Vérifiez votre saisie
fault-choice = Choisissez l’un des réseaux proposés.
fault-amount = Saisissez un montant en chiffres, dans les limites, avec au plus deux chiffres après la virgule.
fault-clash = Un autre paiement du même montant est en cours. Réessayez dans quelques minutes ou choisissez un autre moyen de payer.

## Attendre
waiting-state = En attente de votre paiement
waiting-vanished-title = Votre transaction n’est plus sur le réseau
waiting-vanished = Nous avions vu un paiement qui n’est plus sur le réseau. Consultez votre portefeuille avant de payer à nouveau : souvent, il renvoie le paiement de lui-même.
waiting-over-state = Le délai est écoulé
waiting-over = Nous vérifions si un paiement est arrivé au dernier moment. N’envoyez plus rien pour l’instant.
waiting-unavailable = Ce paiement ne peut pas être transmis aux portefeuilles pour le moment. L’adresse et le montant sont exacts.
pay-before = À payer avant
time-left = Temps restant :
one-minute = Il reste moins d’une minute.
address = Envoyez à cette adresse
address-only = Envoyez des { $symbol } sur { $network } uniquement. L’argent envoyé sur un autre réseau ou sous forme d’un autre jeton peut être perdu.
copy-amount = Copier le montant
copy-address = Copier l’adresse
copied = Copié
copy-failed = Sélectionnez et copiez le texte vous-même.
code = Code QR
code-of-address = Adresse
code-of-link = Lien de paiement
code-address-hint = Contient seulement l’adresse. Saisissez le montant dans votre portefeuille.
code-link-hint = Contient l’adresse, le jeton et le montant, pour les portefeuilles qui lisent les liens de paiement.
code-link-warning = Certains portefeuilles lisent mal ces liens et envoient l’argent au contrat du jeton, où il est perdu. Avant de confirmer, vérifiez que le destinataire est l’adresse affichée sur cette page.
open-wallet = Ouvrir dans un portefeuille
browser-wallet = Payer avec un portefeuille de ce navigateur
browser-wallet-with = Payer avec
wallet-asking = Confirmez dans votre portefeuille.
wallet-sent = Envoyé par votre portefeuille. Cette page l’affichera dès que le réseau l’aura reçu.
wallet-declined = Vous avez refusé la demande dans votre portefeuille. Rien n’a été envoyé.
wallet-network = Votre portefeuille ne connaît pas ce réseau. Ajoutez-le, puis réessayez.
wallet-failed = Votre portefeuille signale une erreur. Vérifiez-y si un paiement a été envoyé avant de réessayer.

## Renoncer
cancel = Annuler ce paiement
cancel-sure = Vraiment annuler ? N’annulez pas si vous avez déjà envoyé de l’argent.
cancel-yes = Oui, annuler

## Vu
seen-state = Paiement détecté, pas encore confirmé
seen-title = Nous avons détecté votre paiement
seen-wait = Vous n’avez rien à faire. Vous pouvez fermer cette page : la boutique sera avertie dès que le paiement sera confirmé.
seen-confirmations =
    { $needed ->
        [one] { $done } confirmation sur { $needed }
       *[other] { $done ->
            [one] { $done } confirmation sur { $needed }
           *[other] { $done } confirmations sur { $needed }
        }
    }
seen-finalising = En cours de finalisation par le réseau
seen-received = Détecté jusqu’ici
seen-of = sur
seen-short = Le montant détecté est inférieur au montant demandé. Si cela ne change pas, cette page indiquera comment payer le reste.
transaction = Transaction

## Trop peu
underpaid-state = Il manque une partie du montant
underpaid-received = Confirmé jusqu’ici :
underpaid-how = Envoyez le reste, en un seul paiement, à la même adresse.

## Payé
paid-state = Payé
paid-title = Merci. Votre paiement est confirmé.
paid-amount = Demandé
paid-received = Reçu
paid-at = Confirmé
overpaid-state = Payé, plus que demandé
overpaid-title = Merci. Votre paiement est confirmé, et vous avez payé plus que demandé.
overpaid-excess = Trop-perçu :
overpaid-how = C’est à la boutique de décider d’un remboursement. Contactez-la en indiquant la référence.
print = Imprimer le reçu
return-soon = Retour à la boutique dans
return-seconds = { $seconds } s
return-stay = Rester ici

## Terminé
expired-state = Expiré
expired-title = Le délai de ce paiement est écoulé
expired-text = Aucun paiement n’est arrivé à temps. L’adresse n’est plus affichée : n’envoyez plus rien.
expired-again = Pour payer, retournez à la boutique et recommencez.
expired-sent = Vous avez déjà envoyé de l’argent ? Contactez la boutique en indiquant la référence.
short-state = Montant insuffisant à l’échéance
short-title = Le délai est écoulé et il manque une partie du montant
short-text = N’envoyez plus rien. Contactez la boutique en indiquant la référence : elle décidera du sort de la somme reçue.
short-received = Reçu
short-asked = Demandé
cancelled-state = Annulé
cancelled-title = Ce paiement a été annulé
cancelled-text = Rien n’a été payé. L’adresse n’est plus affichée : n’envoyez rien.

## Repris
reverted-state = N’est plus confirmé
reverted-title = Votre paiement était confirmé et ne l’est plus
reverted-text = Soit sa transaction a quitté le réseau, soit la boutique a corrigé à quel paiement l’argent est destiné.
reverted-again = Une transaction pour ce paiement est sur le réseau et sa confirmation est en cours. Vous n’avez rien à faire.
reverted-wait = Ne payez pas à nouveau avant d’avoir consulté votre portefeuille : souvent, il renvoie de lui-même un paiement qui a quitté le réseau. S’il indique que le paiement est effectué, ou en cas de doute, contactez la boutique en indiquant la référence.
reverted-pay = Mon portefeuille indique que le paiement a échoué : payer à nouveau

## Outils de test
tools = Outils de test
tools-text = Seulement sur les réseaux de test. Ils envoient de l’argent fictif depuis les comptes du nœud de test.
tools-pay = Payer
tools-exact = exactement
tools-less = moins
tools-more = plus
tools-twice = deux fois
tools-late = en retard
tools-chain = La chaîne
tools-mine = Miner
tools-blocks = blocs
tools-reorganise = Annuler le dernier paiement (réorganisation)

## Quand une telle page n’existe pas
none-title = Ce lien de paiement est inconnu
none-text = Vérifiez que vous avez ouvert le lien complet, ou retournez à la boutique et recommencez.
gone-title = Ce lien de paiement a expiré
gone-text = Il n’a pas été ouvert à temps. Retournez à la boutique et recommencez.
many-title = Trop de demandes
many-text = Patientez un instant, puis rouvrez le lien.
away-title = Cette page ne peut pas être affichée en ce moment
away-text = Ce que vous avez payé n’est pas perdu : les paiements sont lus sur le réseau. Réessayez dans un instant.
wrong-title = Cela n’a pas fonctionné
wrong-text = La demande n’a pas pu être comprise. Rouvrez le lien de paiement.
over-title = Ce n’est plus possible
over-text = Le paiement a avancé entre-temps. Rouvrez le lien de paiement pour voir où il en est.
