"""What is known of the world: accelerators, prices, models, how much of a peak is reached; and this machine, measured."""
