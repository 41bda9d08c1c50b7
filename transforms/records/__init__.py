"""Records and shards: Example, schemas, framing, the layout of shards, receipts."""
