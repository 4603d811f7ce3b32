"""Trainable kinds of model, one module each."""
