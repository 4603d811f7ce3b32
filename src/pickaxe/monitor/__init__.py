"""Watch what is served: drift of inputs and predictions, and the evidence behind an answer."""
