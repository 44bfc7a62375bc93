-- Ledger sequence that the session reads at; null where the session does not say.
select getvariable('ledger_sequence')::bigint as ledger_sequence
