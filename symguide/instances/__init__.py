"""Problems: built in, or read from files."""
