"""Laws of data, and guidance between them."""
