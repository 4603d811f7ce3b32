"""Train models on labels: fine-tune a pretrained encoder, predict with any model."""
