"""Functions on tensors and small layers that every part may use."""
