"""Episodes to trained models and measured numbers."""
