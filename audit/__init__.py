"""What happened: events, the log, its Merkle tree and checkpoints, and who may review it."""
