"""`make bench`: what the user waits for, as ratios to limits measured in the same run. Nothing is asserted."""
