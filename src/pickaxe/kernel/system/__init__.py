"""What the operating system gives: time, files that are whole, locks, processes, and its words about a full disk."""
