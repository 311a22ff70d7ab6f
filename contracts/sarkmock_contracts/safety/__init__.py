"""What keeps a real box as it was: gate, ownership, ledger, snapshots, cleanup, preflight."""
