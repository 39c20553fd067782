"""A venue whose market is another venue's live feed: own orders are matched here, by the fill model of the replay venue."""
