"""Make models small: students taught by a teacher, exports, and a search for the best under a latency budget."""
