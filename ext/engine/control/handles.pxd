"""Order handles for operators' orders."""
