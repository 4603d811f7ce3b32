"""What was used, what it costs, and the proof that it adds up."""
