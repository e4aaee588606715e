"""The independent referee, and what is put on trial before it."""
