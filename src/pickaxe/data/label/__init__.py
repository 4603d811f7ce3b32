"""Labels: which texts to ask about, who answers, and what to believe."""
