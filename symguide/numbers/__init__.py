"""Numbers and the few functions of them that everything is made of, in every arithmetic."""
