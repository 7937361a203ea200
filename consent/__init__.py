"""What the owner allowed: rules, their compiled index, the gate and the recipients of keys."""
