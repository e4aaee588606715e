"""What people look at: figures, and tables in a terminal."""
