"""What pretraining without labels is worth."""
