"""Many boards, each over ssh: a model onto all of them, one after the other or back again, and how they are."""
