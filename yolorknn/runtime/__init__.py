"""Where a model runs on this machine, one SDK a file, and the pool that lends what runs it."""
