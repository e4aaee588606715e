"""Many questions at once: cases, rows, files of them, processes."""
