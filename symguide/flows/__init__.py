"""What happens to a law in time: windows of guidance, steps of samplers."""
